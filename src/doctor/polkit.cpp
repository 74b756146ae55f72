#include "base/error.hpp"
#include "base/pidfd.hpp"
#include "base/process.hpp"
#include "bus/errors.hpp"
#include "doctor/doctor.hpp"
#include "doctor/probe.hpp"

#include <unistd.h>

#include <csignal>

namespace banger::doctor {

namespace {

constexpr const char* actions[] = {"network", "resolver", "storage", "guest-files", "machine"};
constexpr unsigned nobody = 65534;

using Subject = sdbus::Struct<std::string, bus::Variants>;

struct Answer {
    bool yes = false;
    bool challenge = false; ///< yes, once a password was typed
};

Answer ask(sdbus::IConnection& connection, const Subject& subject, const std::string& action) {
    return bus::call([&] {
        auto authority = sdbus::createProxy(connection, bus::ServiceName("org.freedesktop.PolicyKit1"),
                                            bus::ObjectPath("/org/freedesktop/PolicyKit1/Authority"));
        sdbus::Struct<bool, bool, std::map<std::string, std::string>> result;
        authority->callMethod("CheckAuthorization")
            .onInterface("org.freedesktop.PolicyKit1.Authority")
            .withTimeout(patience)
            .withArguments(subject, "org.banger.helper." + action, std::map<std::string, std::string>{},
                           uint32_t{0}, std::string())
            .storeResultsTo(result);
        return Answer{std::get<0>(result), std::get<1>(result)};
    });
}

/// A process of somebody's, to ask polkit about; it waits for input that does not come, and ends with this
/// object.
class Stand {
public:
    Stand(unsigned uid, unsigned gid)
        : uid_(uid) {
        auto [read, write] = make_pipe();
        ProcessSpec spec;
        spec.program = find_program("cat", "coreutils");
        spec.stdin_fd = read.get();
        spec.uid_gid = {uid, gid};
        // Of root's terminal it gets nothing: somebody of that uid may trace it, and type into it
        // (ioctl_tty(2), TIOCSTI).
        spec.new_session = true;
        spec.no_new_privileges = true;
        spec.parent_death_signal = SIGKILL;
        child_ = spawn(spec);
        input_ = std::move(write);
    }
    Stand(const Stand&) = delete;
    Stand& operator=(const Stand&) = delete;
    ~Stand() {
        input_.reset();
        signal_pidfd(child_.pidfd.get(), SIGKILL);
        try {
            wait_child(child_);
        } catch (const Error&) {
            return; // nothing is left to reap
        }
    }
    Subject subject() const {
        return {"unix-process",
                bus::Variants{{"pid", sdbus::Variant{static_cast<uint32_t>(child_.pid)}},
                              {"start-time", sdbus::Variant{uint64_t{process_start_time(child_.pid)}}},
                              {"uid", sdbus::Variant{static_cast<int32_t>(uid_)}}}};
    }

private:
    unsigned uid_;
    OwnedFd input_;
    Child child_;
};

void check_owner(Checks& checks, sdbus::IConnection& connection, const Subject& subject,
                 const std::string& name) {
    std::string refused;
    for (const auto* action : actions)
        if (!ask(connection, subject, action).yes)
            refused += (refused.empty() ? "" : ", ") + std::string(action);
    if (refused.empty())
        checks.push_back(
            {"polkit.owner", Verdict::Pass, "polkit lets " + name + " use the helper without a prompt"});
    else
        checks.push_back(
            {"polkit.owner", Verdict::Warn,
             "polkit does not let " + name + " do this without a prompt: " + refused,
             "if no administrator meant that (/etc/polkit-1/rules.d): as root, banger system install"});
}

void check_stranger(Checks& checks, sdbus::IConnection& connection, const Subject& subject,
                    const std::string& name) {
    std::string allowed;
    for (const auto* action : actions)
        if (ask(connection, subject, action).yes)
            allowed += (allowed.empty() ? "" : ", ") + std::string(action);
    if (allowed.empty())
        checks.push_back({"polkit.stranger", Verdict::Pass, "polkit refuses " + name + ", who is no owner"});
    else
        checks.push_back(
            {"polkit.stranger", Verdict::Fail, "polkit lets " + name + ", who is no owner, do: " + allowed,
             "look for the rule that does it: /etc/polkit-1/rules.d, /usr/share/polkit-1/rules.d"});
}

void check_as_root(Checks& checks, sdbus::IConnection& connection, const install::Metadata& metadata) {
    for (const auto& owner : metadata.owners)
        check_owner(checks, connection, Stand(owner.uid, owner.gid).subject(), owner.name);
    check_stranger(checks, connection, Stand(nobody, nobody).subject(), "nobody");
}

} // namespace

Checks check_polkit(const install::Metadata& metadata) {
    Checks checks;
    guarded(checks, "polkit", Verdict::Fail, [&] {
        const auto connection = bus::call([] { return sdbus::createSystemBusConnection(); });
        if (::geteuid() == 0)
            return check_as_root(checks, *connection, metadata);
        const Subject self{"system-bus-name",
                           bus::Variants{{"name", sdbus::Variant{connection->getUniqueName()}}}};
        const auto* owner = metadata.owner(::geteuid());
        if (owner)
            check_owner(checks, *connection, self, owner->name);
        else
            check_stranger(checks, *connection, self, "you");
        // polkit tells about others to root only.
        checks.push_back(
            {"polkit.others", Verdict::Info, "what polkit answers to others, only root's doctor can ask"});
    });
    return checks;
}

} // namespace banger::doctor
