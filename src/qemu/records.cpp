#include "qemu/records.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

namespace banger::qemu {

namespace {

OwnedFd open_record(const std::string& path) {
    return open_file(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0600);
}

std::string utc_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char text[40];
    const auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const auto nanoseconds = std::to_string(1000000000 + now.tv_nsec).substr(1);
    return std::string(text, size) + "." + nanoseconds;
}

/// A record that nobody takes (a full pipe, a full disk) is lost, never waited for.
void write_record(const OwnedFd& fd, const std::string& line) {
    if (fd && ::write(fd.get(), line.data(), line.size()) < 0)
        return;
}

} // namespace

void Records::configure(const Logger& logger) {
    if (logger.log_path)
        log_ = open_record(*logger.log_path);
    show_level_ = logger.show_level.value_or(show_level_);
    if (logger.level) {
        errors_ = *logger.level != "Off";
        infos_ = errors_ && *logger.level != "Error" && *logger.level != "Warning";
    }
}

void Records::configure(const Metrics& metrics) {
    if (metrics_)
        throw Error(ErrorCode::InvalidArgument, "Reinitialization of metrics not allowed.");
    metrics_ = open_record(metrics.metrics_path);
}

void Records::note_request(std::string_view method, std::string_view path, unsigned status) {
    const bool refused = status >= 400;
    ++requests_;
    refusals_ += refused;
    if (!log_ || !(refused ? errors_ : infos_))
        return;
    std::string line = utc_now() + " [" + id_;
    if (show_level_)
        line += refused ? ":ERROR" : ":INFO";
    line +=
        "] " + std::string(method) + " " + std::string(path) + ": status " + std::to_string(status) + "\n";
    write_record(log_, line);
}

void Records::flush_metrics() {
    using namespace std::chrono;
    const auto now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    const Json line{{"utc_timestamp_ms", now},
                    {"api_server", {{"requests", requests_}, {"refusals", refusals_}}}};
    write_record(metrics_, line.dump() + "\n");
}

} // namespace banger::qemu
