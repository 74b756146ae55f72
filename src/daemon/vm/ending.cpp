#include "daemon/vm/ending.hpp"

#include "base/fd.hpp"
#include "daemon/vm/console.hpp"
#include "daemon/wait.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <array>
#include <cstring>

namespace banger::daemon {

namespace {

/// struct pidfd_info of <linux/pidfd.h>, as Linux 6.15 has it; Debian 12's headers do not.
struct PidfdInfo {
    uint64_t mask;
    uint64_t cgroup_id;
    std::array<uint32_t, 11> ids;
    int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr uint64_t info_exit = 1 << 3;
constexpr unsigned long get_info = _IOWR(0xFF, 11, PidfdInfo);

constexpr std::chrono::milliseconds reap_limit{500};

constexpr std::string_view agent_poweroff = "banger-agent: power off";

enum class Word { Poweroff, Reboot, Panic };

struct LastWord {
    std::string_view text;
    Word word;
};
// kernel/reboot.c, drivers/tty/sysrq.c, kernel/panic.c; and the agent's own where it is init, since a microVM
// is always ended by a reset (agent/init.cpp).
constexpr std::array<LastWord, 7> last_words{{
    {"reboot: Power down", Word::Poweroff},
    {"reboot: System halted", Word::Poweroff},
    {agent_poweroff, Word::Poweroff},
    {"reboot: Restarting system", Word::Reboot},
    {"reboot: machine restart", Word::Reboot},
    {"sysrq: Resetting", Word::Reboot},
    {"Kernel panic - not syncing", Word::Panic},
}};

constexpr size_t most_detail = 200;
constexpr size_t near_the_end = 12; // lines: what follows a goodbye is short, what follows a panic is long

std::string line_at(std::string_view text, size_t at) {
    return std::string(text.substr(at, std::min(text.find('\n', at) - at, most_detail)));
}

struct Said {
    Word word = Word::Poweroff;
    size_t at = 0;
};

/// The last of the words; but a power-off that the agent announced stays one through the reset that follows.
std::optional<Said> last_said(std::string_view console) {
    const auto begin = console.size() - last_lines(console, near_the_end).size();
    std::optional<Said> said;
    for (const auto& [text, word] : last_words) {
        const auto at = console.rfind(text);
        if (at == std::string_view::npos || (word != Word::Panic && at < begin))
            continue;
        if (!said || at > said->at)
            said = Said{word, at};
    }
    const auto announced = console.rfind(agent_poweroff);
    if (said && said->word == Word::Reboot && announced != std::string_view::npos && announced >= begin)
        said->word = Word::Poweroff;
    return said;
}

/// What the kernel begins its lines with, "[    3.141593] ".
bool drop_stamp(std::string_view& line) {
    const auto end = line.starts_with('[') ? line.find_first_not_of(" .0123456789TC", 1) : 0;
    if (end == 0 || end == std::string_view::npos || !line.substr(end).starts_with("]"))
        return false;
    line.remove_prefix(end + 1);
    line.remove_prefix(line.starts_with(' ') ? 1 : 0);
    return true;
}

std::string signal_detail(int number) {
    const char* const name = ::sigabbrev_np(number);
    return "signal " + std::to_string(number) + (name ? " (" + std::string(name) + ")" : "");
}

} // namespace

std::optional<int> exit_status_of(int pidfd, std::chrono::milliseconds limit) {
    const auto end = Clock::now() + limit;
    for (;;) {
        PidfdInfo info{};
        info.mask = info_exit;
        if (::ioctl(pidfd, get_info, &info) < 0)
            return std::nullopt;
        if (info.mask & info_exit)
            return info.exit_code;
        // Hung up: the process has been reaped, and the status is there.
        pollfd reaped{pidfd, 0, 0};
        const int left = milliseconds_until(end);
        if (left == 0 || ::poll(&reaped, 1, left) <= 0)
            return std::nullopt;
    }
}

Ending ending_of(std::string_view console, std::optional<int> wait_status) {
    while (console.ends_with('\n'))
        console.remove_suffix(1);
    if (const auto said = last_said(console)) {
        if (said->word == Word::Panic)
            return {std::string(exit_reason::panic), line_at(console, said->at)};
        return {std::string(said->word == Word::Reboot ? exit_reason::reboot : exit_reason::poweroff), {}};
    }
    if (!wait_status)
        return {std::string(exit_reason::crashed), {}};
    if (WIFSIGNALED(*wait_status))
        return {std::string(exit_reason::crashed), signal_detail(WTERMSIG(*wait_status)),
                WTERMSIG(*wait_status)};
    if (WEXITSTATUS(*wait_status) == 0)
        return {std::string(exit_reason::poweroff), {}};
    return {std::string(exit_reason::crashed), "status " + std::to_string(WEXITSTATUS(*wait_status))};
}

Ending how_it_ended(int pidfd, const std::string& console_path) {
    const auto status = pidfd < 0 ? std::nullopt : exit_status_of(pidfd, reap_limit);
    return ending_of(console_end(console_path), status);
}

bool has_halted(std::string_view console) {
    const auto last = last_lines(console, 1);
    std::string_view line = last;
    if (!drop_stamp(line))
        return false;
    drop_stamp(line); // CONFIG_PRINTK_CALLER's
    return line == "reboot: System halted" || line == "reboot: Power down";
}

} // namespace banger::daemon
