#include "base/fd.hpp"
#include "cli/bus_wait.hpp"
#include "cli/command.hpp"
#include "cli/text.hpp"
#include "cli/vms.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>

namespace banger::cli {

namespace {

struct LogWords {
    std::string name;
    std::optional<uint32_t> lines;
    bool follow = false;
    bool previous = false;
};

OwnedFd open_log(Manager& manager, const LogWords& words) {
    auto options = manager.options();
    if (words.previous)
        options["previous"] = sdbus::Variant{true};
    try {
        auto log = manager.call([&](ManagerProxy& proxy) { return proxy.VmConsoleLog(words.name, options); });
        return OwnedFd(log.release());
    } catch (const Error& error) {
        throw explain_vm(manager, error, words.name);
    }
}

off_t size_of(int fd) {
    struct stat status{};
    if (::fstat(fd, &status) < 0)
        throw_errno("fstat of the log");
    return status.st_size;
}

/// What is there from `at` on.
std::string text_from(int fd, off_t at) {
    std::string text;
    std::array<char, 65536> piece{};
    for (ssize_t n = 0; (n = ::pread(fd, piece.data(), piece.size(), at)) != 0; at += n) {
        if (n < 0)
            throw_errno("read the log");
        text.append(piece.data(), static_cast<size_t>(n));
    }
    return text;
}

/// The last `count` lines, whether the last one has its newline or not.
std::string last_lines(const std::string& text, uint32_t count) {
    auto at = text.size();
    if (at > 0 && text[at - 1] == '\n')
        --at;
    for (; count > 0 && at > 0; --at)
        if (text[at - 1] == '\n' && --count == 0)
            break;
    return text.substr(at);
}

/// Guests end their lines with a carriage return too.
std::string shown(std::string text) {
    std::erase(text, '\r');
    return ::isatty(STDOUT_FILENO) ? safe_text(text) : text;
}

/// Prints what comes, until the VM is at rest.
void follow(Manager& manager, const OwnedFd& log, off_t at, const LogWords& words) {
    const SignalScope signals;
    const OwnedFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const auto path = "/proc/self/fd/" + std::to_string(log.get());
    if (!changes || ::inotify_add_watch(changes.get(), path.c_str(), IN_MODIFY) < 0)
        throw_errno("watch the log");
    LateCall rest(manager, "WaitVm", words.name, manager.options());
    for (bool ended = false; !ended;) {
        while (bus::process_one(manager.connection())) {
        }
        ended = rest.answered(); // before the last look at the log
        if (size_of(log.get()) < at)
            at = 0; // it was cut off
        const auto more = text_from(log.get(), at);
        at += static_cast<off_t>(more.size());
        print(shown(more));
        if (ended)
            return;
        if (const int signal = wait_for_bus(manager.connection(), signals, -1, changes.get()))
            throw Interrupted{signal};
        std::array<char, 4096> events{};
        while (::read(changes.get(), events.data(), events.size()) > 0) {
        }
    }
}

int logs(const Invocation& invocation, const LogWords& words) {
    Manager manager(invocation.op);
    const auto log = open_log(manager, words);
    auto text = text_from(log.get(), 0);
    const auto end = static_cast<off_t>(text.size());
    if (words.lines)
        text = *words.lines == 0 ? "" : last_lines(text, *words.lines);
    print(shown(std::move(text)));
    if (words.follow)
        follow(manager, log, end, words);
    return 0;
}

} // namespace

Action vm_logs(CLI::App& app, Invocation& invocation) {
    auto words = std::make_shared<LogWords>();
    app.add_option("NAME", words->name, "The VM's name or id")->required()->type_name("");
    app.add_option("-n,--lines", words->lines, "Only the last so many lines")->type_name("NUMBER");
    auto* follow =
        app.add_flag("-f,--follow", words->follow, "Go on with what comes, until the VM is at rest");
    app.add_flag("--previous", words->previous, "What the run before has left")->excludes(follow);
    return [&invocation, words] { return logs(invocation, *words); };
}

} // namespace banger::cli
