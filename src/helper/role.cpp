// `banger helper`: the root helper's life, from the bus's activation to its leaving when idle.
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/loop.hpp"
#include "bus/glib_source.hpp"
#include "bus/object_path.hpp"
#include "helper/service.hpp"
#include "helper/upkeep.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

namespace banger::helper {

namespace {

/// Below what systemd waits for a service to start (DefaultTimeoutStartSec=, 90 s).
constexpr std::chrono::seconds lock_patience{80};
constexpr std::chrono::milliseconds lock_again{5};

/// Seconds from the environment of whoever starts the helper (not of its callers), so that tests need not
/// wait.
std::chrono::milliseconds seconds_from(const char* variable, std::chrono::seconds otherwise) {
    const char* text = std::getenv(variable);
    char* end = nullptr;
    const double value = text ? std::strtod(text, &end) : 0;
    if (!text || end == text || *end != '\0' || !(value > 0) || value > 3600)
        return otherwise;
    return std::chrono::milliseconds(static_cast<int64_t>(value * 1000));
}

/// /run/banger: root's, writable by root alone.
void ensure_runtime_folder() {
    if (::mkdir(runtime_folder, 0755) < 0 && errno != EEXIST)
        throw_errno(std::string("make directory ") + runtime_folder);
    struct stat status{};
    if (::lstat(runtime_folder, &status) < 0)
        throw_errno(std::string("stat ") + runtime_folder);
    if (!S_ISDIR(status.st_mode) || status.st_uid != 0 || (status.st_mode & 022) != 0)
        throw Error(ErrorCode::FailedPrecondition,
                    std::string(runtime_folder) + " is not a directory of root's alone",
                    "remove it, then try again");
}

/// One helper at a time: a new one that the bus starts while the old one leaves waits here for it.
OwnedFd lock_ledger() {
    auto lock = open_file(std::string(runtime_folder) + "/helper.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    const auto deadline = std::chrono::steady_clock::now() + lock_patience;
    while (::flock(lock.get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            throw_errno("lock the ledger");
        if (std::chrono::steady_clock::now() > deadline)
            throw Error(
                ErrorCode::Unavailable, "the helper before this one does not end",
                "it may hang in the kernel, on a file of somebody's own filesystem: look at it with ps");
        std::this_thread::sleep_for(lock_again);
    }
    return lock;
}

/// The helper, put together.
class Helper {
public:
    Helper()
        : connection_(sdbus::createSystemBusConnection())
        , bus_(*connection_)
        , polkit_({seconds_from("BANGER_POLKIT_SECONDS", std::chrono::seconds(25)), std::chrono::minutes(5)})
        , gate_(bus_, ledger_, polkit_)
        , nat_(ledger_, lanes_, workers_)
        , resolver_(ledger_, lanes_, *connection_)
        , network_(ledger_, lanes_, workers_, nat_, resolver_)
        , storage_(ledger_, lanes_, workers_, mapper_, disk_children_, mending_)
        , image_files_(ledger_, lanes_, workers_, mapper_, disk_children_)
        , machine_(ledger_, lanes_, workers_, network_, storage_, mending_, make_launcher(*connection_))
        , idle_after_(seconds_from("BANGER_IDLE_SECONDS", std::chrono::seconds(30))) {}

    void run() {
        service_ = std::make_unique<Service>(*connection_, gate_, network_, nat_, resolver_, storage_,
                                             image_files_, machine_, waits_);
        source_ = std::make_unique<bus::GlibSource>(*connection_, [this] { loop_.quit(); });
        connection_->requestName(bus::ServiceName(bus::helper_service));
        // Calls are served from loop_.run() on: what is mended has its turn first.
        network_.mend();
        machine_.mend();
        storage_.mend(); // after the VMMs that use it
        log::debug("ready");
        gate_.on_caller_gone([this](const std::string& sender) { waits_.caller_gone(sender); });
        gate_.on_quiet([this] { arm(); });
        loop_.on_terminate([this] { terminate(); });
        arm();
        loop_.run();
    }

private:
    void arm() {
        if (leaving_.active())
            return;
        idle_ = Timer(idle_after_, [this] {
            if (!quiet())
                return true;
            leave();
            return false;
        });
    }
    bool quiet() const { return gate_.pending() == 0 && workers_.busy() == 0 && lanes_.busy() == 0; }

    /// Gives the name back first. What was sent to it before is then in this connection's queue, and is
    /// served; what is sent later makes the bus start another helper, which waits for this one's lock.
    void leave() noexcept {
        is_leaving_ = true;
        try {
            release_name();
            while (bus::process_one(*connection_)) {
            }
        } catch (const std::exception& error) {
            log::error("while leaving: " + std::string(error.what()));
        }
        leaving_ = Timer(std::chrono::milliseconds(10), [this] {
            if (!quiet())
                return true; // late-comers are served to their end
            log::debug("idle; leaving");
            loop_.quit();
            return false;
        });
    }

    /// systemd sends SIGTERM to a service that gives its name back (systemd.service(5), Type=dbus). It may
    /// come before the bus's answer, which is then not waited for.
    void release_name() {
        try {
            connection_->releaseName(bus::ServiceName(bus::helper_service));
        } catch (const sdbus::Error& error) {
            if (bus::text_of(error.getName()) != "System.Error.EINTR")
                throw;
        }
    }
    /// Who leaves already, ends when the late-comers are served, and no sooner.
    void terminate() {
        if (!is_leaving_)
            loop_.quit();
    }

    Loop loop_;
    OwnedFd lock_ = lock_ledger();
    Ledger ledger_;
    std::unique_ptr<sdbus::IConnection> connection_;
    bus::BusDriver bus_;
    Polkit polkit_;
    Gate gate_;
    Lanes lanes_;
    Nat nat_;
    Resolver resolver_;
    Network network_;
    Mapper mapper_;
    DiskChildren disk_children_;
    Mending mending_{lanes_, workers_};
    Storage storage_;
    ImageFiles image_files_;
    Machine machine_;
    Waits waits_{ledger_};
    Workers workers_{loop_}; ///< waited for before any of the above goes, which they use
    std::unique_ptr<Service> service_;
    std::unique_ptr<bus::GlibSource> source_;
    std::chrono::milliseconds idle_after_;
    Timer idle_;
    Timer leaving_;
    bool is_leaving_ = false;
};

/// The parts that mend, without bus and gate.
class Removal {
public:
    void run() {
        condemn(ledger_);
        machine_.mend(); // VMMs first: they use the rest
        storage_.mend();
        finish();
        network_.mend();
        finish();
        require_empty(ledger_);
    }

private:
    /// What has its turn, and what follows it.
    void finish() {
        const Timer look(std::chrono::milliseconds(5), [this] {
            if (lanes_.busy() == 0 && workers_.busy() == 0)
                loop_.quit();
            return true;
        });
        loop_.run();
    }

    Loop loop_;
    OwnedFd lock_ = lock_ledger();
    Ledger ledger_;
    Lanes lanes_;
    std::unique_ptr<sdbus::IConnection> connection_ = sdbus::createSystemBusConnection();
    Nat nat_{ledger_, lanes_, workers_};
    Resolver resolver_{ledger_, lanes_, *connection_};
    Network network_{ledger_, lanes_, workers_, nat_, resolver_};
    Mapper mapper_;
    DiskChildren disk_children_;
    Mending mending_{lanes_, workers_};
    Storage storage_{ledger_, lanes_, workers_, mapper_, disk_children_, mending_};
    Machine machine_{ledger_, lanes_, workers_, network_, storage_, mending_, make_launcher(*connection_)};
    Workers workers_{loop_}; ///< waited for before any of the above goes, which they use
};

/// `--list` and `--remove-all`, for `banger system`. Where there is no ledger there is nothing, and none is
/// made.
int keep_up(std::string_view mode) {
    const bool there = ::access(ledger_folder, F_OK) == 0;
    if (mode == "--list") {
        const auto text = there ? list_vms(Ledger()) : std::string("[]\n");
        std::fputs(text.c_str(), stdout);
    } else if (there) {
        ensure_runtime_folder();
        Removal().run();
    }
    return 0;
}

int run(int argc, char** argv) {
    log::open("banger-helper");
    if (argc == 3 && std::string_view(argv[1]) == image_child_mode)
        image_child_main(argv[2]);
    const std::string_view mode = argc == 2 ? argv[1] : "";
    const bool upkeep = mode == "--list" || mode == "--remove-all";
    if (argc > 1 && !upkeep)
        throw Error(ErrorCode::InvalidArgument, "banger helper takes no arguments",
                    "the system bus starts it when it is called");
    if (::geteuid() != 0)
        throw Error(ErrorCode::NotAuthorized, "banger helper runs as root only",
                    "the system bus starts it when it is called");
    ::umask(077);
    // A child that has gone makes a write to its pipe fail, and must not end the helper. Children get the
    // default back.
    std::signal(SIGPIPE, SIG_IGN);
    if (upkeep)
        return keep_up(mode);
    ensure_runtime_folder();
    Helper().run();
    return 0;
}

} // namespace

} // namespace banger::helper

extern "C" __attribute__((visibility("default"))) int banger_role_main(int argc, char** argv) {
    try {
        return banger::helper::run(argc, argv);
    } catch (...) {
        const auto error = banger::bus::current_error();
        banger::log::error(error.message() + (error.hint().empty() ? "" : " (" + error.hint() + ")"));
        return banger::error_kind(error.code()).exit_status;
    }
}
