#include "base/log.hpp"
#include "bus/errors.hpp"
#include "helper/launcher.hpp"
#include "helper/process_id.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace banger::helper {

namespace {

constexpr std::chrono::seconds patience{10};
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

void set_limits(int pid) {
    const rlimit files{4096, 4096};
    const rlimit no_core{0, 0};
    if (::prlimit(pid, RLIMIT_NOFILE, &files, nullptr) < 0 ||
        ::prlimit(pid, RLIMIT_CORE, &no_core, nullptr) < 0)
        throw_errno("limit the VMM");
    // proc(5): from -1000 to 1000; a VMM should go before what the user works with.
    const auto score = open_file("/proc/" + std::to_string(pid) + "/oom_score_adj", O_WRONLY);
    write_all(score.get(), "500", "oom_score_adj");
}

class ChildLaunch : public LaunchInProgress {
public:
    explicit ChildLaunch(JailSpec spec) {
        auto [info_read, info_write] = make_pipe();
        auto [block_read, block_write] = make_pipe();
        auto [go_read, go_write] = make_pipe();
        spec.info_fd = info_write.get();
        spec.block_fd = block_read.get();
        spec.go_fd = go_read.get();
        output_ = spec.output_fd >= 0 ? OwnedFd(::fcntl(spec.output_fd, F_DUPFD_CLOEXEC, 3)) : OwnedFd();
        begin_ = output_ ? words_begin(output_.get()) : 0;
        struct stat jailer{};
        if (::stat(bubblewrap, &jailer) < 0)
            throw Error(ErrorCode::Unavailable, std::string(bubblewrap) + " is not there",
                        "install bubblewrap");
        uid_ = spec.uid;
        jailer_device_ = jailer.st_dev;
        jailer_inode_ = jailer.st_ino;
        info_ = std::move(info_read);
        block_ = std::move(block_write);
        go_ = std::move(go_write);
        child_ = spawn(jail_command(spec));
        monitor_ = identify(child_.pid);
        try {
            set_limits(child_.pid);
        } catch (...) {
            abandon();
            throw;
        }
    }
    ~ChildLaunch() override { abandon(); }

    ProcessId monitor() const override { return monitor_; }
    std::string unit() const override { return {}; }

    void go(std::function<void(const ProcessId&)> known,
            std::function<void(Outcome<ProcessId>)> done) override {
        known_ = std::move(known);
        done_ = std::move(done);
        limit_ = Timer(patience, [this] {
            finish(Error(ErrorCode::Timeout, "the jail did not come up in time"));
            return false;
        });
        info_watch_ = FdWatch(info_.get(), [this] { return guarded([this] { return read_info(); }); });
        write_all(go_.get(), "g", "the jail's start");
        go_.reset();
    }

private:
    template <class Body>
    bool guarded(Body body) noexcept {
        try {
            return body();
        } catch (...) {
            finish(bus::current_error());
            return false;
        }
    }

    /// bubblewrap's answer: {"child-pid": N, …}. End of file: it has failed.
    bool read_info() {
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

    void take_main(int pid) {
        // Parent and uid are asked after the start time: the process that has this start time is the
        // monitor's child, and its owner could signal it as well as the helper can.
        main_ = identify(pid);
        if (main_.start == 0 || parent_of(pid) != child_.pid || uid_of(pid) != static_cast<long>(uid_))
            return wait_for_failure();
        known_(main_);
        write_all(block_.get(), "g", "the jail's release");
        block_.reset();
        tick_ = Timer(look_again, [this] { return guarded([this] { return look(); }); });
    }

    /// Did it execute the VMM, or end?
    bool look() {
        if (!alive(child_.pidfd.get())) {
            fail();
            return false;
        }
        struct stat program{};
        const auto path = "/proc/" + std::to_string(main_.pid) + "/exe";
        if (::stat(path.c_str(), &program) < 0)
            return true; // ending; the monitor will follow
        if (program.st_dev == jailer_device_ && program.st_ino == jailer_inode_)
            return true;
        finish(main_);
        return false;
    }

    void wait_for_failure() {
        end_watch_ = FdWatch(child_.pidfd.get(), [this] {
            fail();
            return false;
        });
    }

    void fail() noexcept {
        const auto reason = output_ ? words_since(output_.get(), begin_) : std::string();
        const auto last = reason.substr(reason.rfind('\n') == reason.npos ? 0 : reason.rfind('\n') + 1);
        finish(Error(ErrorCode::Internal, "the VMM ended at once" + (last.empty() ? "" : ": " + last))
                   .with_details(reason));
    }

    void finish(Outcome<ProcessId> outcome) noexcept {
        limit_.cancel();
        tick_.cancel();
        info_watch_.cancel();
        end_watch_.cancel();
        finished_ = !std::holds_alternative<Error>(outcome);
        if (!finished_)
            abandon();
        if (const auto done = std::exchange(done_, nullptr))
            done(std::move(outcome)); // the last: it may drop this object
    }

    void abandon() noexcept {
        if (finished_ || child_.pid < 0)
            return;
        try {
            kill_session(monitor_, uid_);
            wait_child(child_);
        } catch (const std::exception& error) {
            log::error(std::string("a VMM that failed to start: ") + error.what());
        }
        child_.pid = -1;
    }

    Child child_;
    ProcessId monitor_;
    uint32_t uid_ = 0;
    ProcessId main_;
    OwnedFd info_, block_, go_, output_;
    off_t begin_ = 0;
    dev_t jailer_device_ = 0;
    ino_t jailer_inode_ = 0;
    std::string info_text_;
    std::function<void(const ProcessId&)> known_;
    std::function<void(Outcome<ProcessId>)> done_;
    FdWatch info_watch_, end_watch_;
    Timer limit_, tick_;
    bool finished_ = false;
};

class ChildLauncher : public Launcher {
public:
    std::unique_ptr<LaunchInProgress> prepare(const JailSpec& spec) override {
        return std::make_unique<ChildLaunch>(spec);
    }
};

} // namespace

std::unique_ptr<Launcher> make_child_launcher() {
    return std::make_unique<ChildLauncher>();
}

} // namespace banger::helper
