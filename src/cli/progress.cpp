#include "cli/progress.hpp"

#include "cli/text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace banger::cli {

namespace {

constexpr std::array<std::string_view, 10> spinner{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
constexpr auto quiet_time = std::chrono::milliseconds(150);
constexpr size_t usual_columns = 80;

std::string step_text(const Step& step, const std::optional<double>& fraction) {
    auto text = safe_text(step.name, false);
    if (step.state == "failed")
        return text + " failed";
    if (step.state != "running")
        return text + " " + human_duration(std::chrono::milliseconds(step.milliseconds));
    if (fraction)
        text += " " + std::to_string(std::lround(std::clamp(*fraction, 0.0, 1.0) * 100)) + " %";
    return text;
}

size_t terminal_columns() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : usual_columns;
}

} // namespace

std::string progress_line(const JobProgress& progress, std::chrono::milliseconds elapsed, unsigned tick,
                          size_t columns) {
    const auto head = std::string(spinner[tick % spinner.size()]) + " ";
    const auto tail = "  " + human_duration(elapsed);
    const auto fixed = display_width(head) + display_width(tail);
    const auto room = columns > fixed ? columns - fixed : 0;
    std::string middle;
    for (auto step = progress.steps.rbegin(); step != progress.steps.rend(); ++step) {
        const auto text = step_text(*step, progress.fraction);
        const auto longer = middle.empty() ? text : text + " · " + middle;
        if (!middle.empty() && display_width(longer) > room)
            break;
        middle = longer;
    }
    return shorten(head + shorten(middle, room) + tail, columns);
}

ProgressDisplay::ProgressDisplay() {
    const char* terminal = std::getenv("TERM");
    enabled_ = ::isatty(STDERR_FILENO) && terminal && std::string_view(terminal) != "dumb";
}

void ProgressDisplay::draw(const JobProgress& progress) {
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun_);
    if (!enabled_ || elapsed < quiet_time)
        return;
    // One column stays free, or some terminals wrap. EL (erase in line) after it, so that nothing of the last
    // line stays.
    const auto line = "\r" + progress_line(progress, elapsed, tick_++, terminal_columns() - 1) + "\033[K";
    std::fputs(line.c_str(), stderr);
    std::fflush(stderr);
    shown_ = true;
}

void ProgressDisplay::clear() noexcept {
    if (!shown_)
        return;
    std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    shown_ = false;
}

} // namespace banger::cli
