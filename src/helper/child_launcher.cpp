#include "base/file.hpp"
#include "base/log.hpp"
#include "helper/jail_launch.hpp"
#include "helper/process_id.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

namespace banger::helper {

namespace {

constexpr std::chrono::seconds patience{10};
constexpr int guardian_patience_ms = 200;

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

class ChildLaunch : public JailLaunch {
public:
    explicit ChildLaunch(JailSpec spec)
        : JailLaunch(patience) {
        const auto ends = make_talk(spec);
        auto [go_read, go_write] = make_pipe();
        spec.go_fd = go_read.get();
        struct stat jailer{};
        if (::stat(bubblewrap, &jailer) < 0)
            throw Error(ErrorCode::Unavailable, std::string(bubblewrap) + " is not there",
                        "install bubblewrap");
        jailer_device_ = jailer.st_dev;
        jailer_inode_ = jailer.st_ino;
        go_ = std::move(go_write);
        child_ = spawn(jail_command(spec));
        monitor_ = identify(child_.pid);
        try {
            set_limits(child_.pid);
        } catch (...) {
            drop();
            throw;
        }
    }
    ~ChildLaunch() override { drop(); }

    std::string unit() const override { return {}; }

protected:
    void begin() override { guarded_by(monitor_, child_.pidfd.duplicate()); }
    void release() override {
        write_all(go_.get(), "g", "the jail's start");
        go_.reset();
    }
    bool is_ours(int) const override { return true; }
    bool executes(int pid) const override {
        struct stat program{};
        const auto path = "/proc/" + std::to_string(pid) + "/exe";
        return ::stat(path.c_str(), &program) == 0 &&
               (program.st_dev != jailer_device_ || program.st_ino != jailer_inode_);
    }
    void abandon() noexcept override {
        try {
            kill_session(monitor_, uid_);
            wait_child(child_);
        } catch (const std::exception& error) {
            log::error(std::string("a VMM that failed to start: ") + error.what());
        }
    }

private:
    Child child_;
    ProcessId monitor_;
    OwnedFd go_;
    dev_t jailer_device_ = 0;
    ino_t jailer_inode_ = 0;
};

void sweep_children(const VmRecord& record) {
    if (const auto& vmm = record.vmm) {
        // The guardian ends by itself once it has reaped the VMM; stopped or half-made, it does not.
        const auto guardian = open_if_alive(vmm->monitor);
        if (guardian && vmm->state != VmmState::Launching)
            wait_readable(guardian.get(), guardian_patience_ms);
        kill_session(vmm->monitor, record.uid);
    }
    kill_jail_members(record.uid, jail_name(record.uid, record.vm));
}

class ChildLauncher : public Launcher {
public:
    bool starts_jailers() const noexcept override { return false; }
    std::unique_ptr<LaunchInProgress> prepare(const JailSpec& spec) override {
        return std::make_unique<ChildLaunch>(spec);
    }
    Sweep sweep() const override { return sweep_children; }
};

} // namespace

std::unique_ptr<Launcher> make_child_launcher() {
    return std::make_unique<ChildLauncher>();
}

} // namespace banger::helper
