#include "helper/jail_launch.hpp"

#include "helper/process_id.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace banger::helper {

namespace {

constexpr std::chrono::milliseconds look_again{2};
constexpr size_t info_limit = 4096;
constexpr size_t reason_limit = 2048;

/// Where the child's words begin in a file that it writes to.
off_t words_begin(int fd) {
    struct stat status{};
    if ((::fcntl(fd, F_GETFL) & O_APPEND) && ::fstat(fd, &status) == 0)
        return status.st_size;
    return std::max<off_t>(0, ::lseek(fd, 0, SEEK_CUR));
}

/// What the child wrote there since; the descriptor itself may be write-only. O_NONBLOCK: its owner may hold
/// a lease on the file, for whose end an open would wait (fcntl(2), F_SETLEASE).
std::string words_since(int fd, off_t begin) {
    const OwnedFd reader(
        ::open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    std::string text(reason_limit, '\0');
    const auto n = reader ? ::pread(reader.get(), text.data(), text.size(), begin) : -1;
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    text.resize(std::min(text.find('\0'), text.size()));
    while (!text.empty() && text.back() == '\n')
        text.pop_back();
    return text;
}

} // namespace

JailLaunch::Ends JailLaunch::make_talk(JailSpec& spec) {
    auto [info_read, info_write] = make_pipe();
    auto [block_read, block_write] = make_pipe();
    spec.info_fd = info_write.get();
    spec.block_fd = block_read.get();
    uid_ = spec.uid;
    output_ = spec.output_fd >= 0 ? OwnedFd(::fcntl(spec.output_fd, F_DUPFD_CLOEXEC, 3)) : OwnedFd();
    begin_ = output_ ? words_begin(output_.get()) : 0;
    info_ = std::move(info_read);
    block_ = std::move(block_write);
    return {std::move(info_write), std::move(block_read)};
}

void JailLaunch::go(LaunchEvents events) {
    events_ = std::move(events);
    limit_ = Timer(patience_, [this] {
        finish(Error(ErrorCode::Timeout, "the jail did not come up in time"));
        return false;
    });
    begin();
}

void JailLaunch::guarded_by(const ProcessId& monitor, OwnedFd pidfd) {
    monitor_ = monitor;
    monitor_fd_ = std::move(pidfd);
    events_.held(monitor_);
    info_watch_ = FdWatch(info_.get(), [this] { return guarded([this] { return read_info(); }); });
    release();
}

void JailLaunch::becomes(const ProcessId& main, OwnedFd pidfd) {
    monitor_ = main_ = main;
    main_fd_ = pidfd.duplicate();
    monitor_fd_ = std::move(pidfd);
    events_.held(monitor_);
    events_.known(main_);
    release();
    tick_ = Timer(look_again, [this] { return guarded([this] { return look(); }); });
}

/// bubblewrap's answer: {"child-pid": N, …}. End of file: it has failed.
bool JailLaunch::read_info() {
    char buffer[info_limit];
    const auto n = ::read(info_.get(), buffer, sizeof buffer);
    if (n > 0)
        info_text_.append(buffer, static_cast<size_t>(n));
    if (info_text_.find('}') == info_text_.npos) {
        if (n > 0 && info_text_.size() < info_limit)
            return true;
        wait_for_failure();
        return false;
    }
    const auto info = nlohmann::json::parse(info_text_, nullptr, false);
    if (!info.is_object() || !info.contains("child-pid") || !info["child-pid"].is_number_unsigned())
        throw Error(ErrorCode::Internal, "bubblewrap did not say which process it made");
    take_main(info["child-pid"].get<int>());
    return false;
}

void JailLaunch::take_main(int pid) {
    // Parent and uid are asked after the start time: the process that has this start time is the
    // monitor's child, and its owner could signal it as well as the helper can.
    main_ = identify(pid);
    main_fd_ = open_if_alive(main_);
    if (!main_fd_ || parent_of(pid) != monitor_.pid || uid_of(pid) != static_cast<long>(uid_) ||
        !is_ours(pid))
        return wait_for_failure();
    events_.known(main_);
    const bool released = ::write(block_.get(), "g", 1) == 1;
    block_.reset();
    if (!released)
        return wait_for_failure(); // it has ended meanwhile; its own words say why
    tick_ = Timer(look_again, [this] { return guarded([this] { return look(); }); });
}

/// Did it execute the VMM, or end?
bool JailLaunch::look() {
    if (!alive(monitor_fd_.get())) {
        fail({});
        return false;
    }
    if (!alive(main_fd_.get()) || !executes(main_.pid))
        return true; // when it has ended, its guardian will follow
    started(main_.pid);
    finish(main_);
    return false;
}

void JailLaunch::wait_for_failure() {
    end_watch_ = FdWatch(monitor_fd_.get(), [this] {
        fail({});
        return false;
    });
}

void JailLaunch::fail(const std::string& otherwise) noexcept {
    const auto reason = output_ ? words_since(output_.get(), begin_) : std::string();
    const auto last = reason.substr(reason.rfind('\n') == reason.npos ? 0 : reason.rfind('\n') + 1);
    const auto& why = last.empty() ? otherwise : last;
    finish(Error(ErrorCode::Internal, "the VMM ended at once" + (why.empty() ? "" : ": " + why))
               .with_details(reason));
}

void JailLaunch::stop_watching() noexcept {
    limit_.cancel();
    tick_.cancel();
    info_watch_.cancel();
    end_watch_.cancel();
}

void JailLaunch::finish(Outcome<ProcessId> outcome) noexcept {
    stop_watching();
    if (!std::exchange(settled_, true) && std::holds_alternative<Error>(outcome))
        abandon();
    if (const auto done = std::exchange(events_.done, nullptr))
        done(std::move(outcome)); // the last: it may drop this object
}

void JailLaunch::drop() noexcept {
    stop_watching();
    if (!std::exchange(settled_, true))
        abandon();
}

} // namespace banger::helper
