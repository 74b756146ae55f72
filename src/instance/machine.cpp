#include "instance/machine.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "install/metadata.hpp"
#include "instance/accounts.hpp"
#include "instance/mounts.hpp"

#include <fcntl.h>
#include <net/if.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace banger::instance {

namespace {

constexpr const char* inner_prefix = "/run/banger-prefix";
constexpr const char* nodes = "/run/banger-nodes";

/// What has to be seized before other mounts cover it.
struct Held {
    HeldTree run;
    HeldTree home;
    HeldTree logs;
    HeldTree tmp;
    HeldTree var_tmp;
    HeldTree bin;
    std::optional<HeldTree> lib;
    std::optional<HeldTree> cgroup;

    explicit Held(const Plan& plan)
        : run(HeldTree::take(plan.layout.run))
        , home(HeldTree::take(plan.layout.home()))
        , logs(HeldTree::take(plan.layout.logs()))
        , tmp(HeldTree::take(plan.layout.temporary()))
        , var_tmp(HeldTree::take(plan.layout.temporary()))
        , bin(HeldTree::take(plan.bindir))
        , lib(HeldTree::take_if_there(std::filesystem::path(plan.bindir).parent_path().string() + "/lib"))
        , cgroup(HeldTree::take_if_there("/sys/fs/cgroup")) {}
};

void mount_kernel_views(Held& held) {
    mount_fresh("proc", "/proc");
    mount_fresh("sysfs", "/sys");
    if (held.cgroup)
        held.cgroup->put("/sys/fs/cgroup");
    mount_fresh("tmpfs", "/dev/shm", "mode=1777");
}

/// A fresh /run: nothing in it speaks of the host's services (systemd, udev, a system bus).
void make_run(const Plan& plan, Held& held) {
    mount_fresh("tmpfs", "/run", "mode=755");
    for (const char* path : {"/run/dbus", "/run/lock", "/run/user", run_root, nodes, inner_logs})
        make_folder(path, 0755);
    make_folder("/run/banger", 0711);
    for (const auto& account : accounts)
        make_folder("/run/user/" + std::to_string(account.id), 0700, account.id);
    make_folder(plan.layout.run, 0711);
    held.run.put(plan.layout.run);
    held.logs.put(inner_logs);
    if (::symlink(plan.layout.system_socket().c_str(), "/run/dbus/system_bus_socket") < 0)
        throw_errno("make symlink /run/dbus/system_bus_socket");
}

/// The devices that guests need, open to all accounts, as distributions have them; the host's own nodes keep
/// their modes.
void open_devices() {
    for (const std::string name : {"kvm", "vhost-vsock", "vhost-net", "net/tun"}) {
        const auto path = "/dev/" + name;
        struct stat status{};
        if (::stat(path.c_str(), &status) < 0 || !S_ISCHR(status.st_mode))
            continue;
        const auto node = std::string(nodes) + "/" + std::filesystem::path(name).filename().string();
        if (::mknod(node.c_str(), S_IFCHR | 0600, status.st_rdev) < 0 || ::chmod(node.c_str(), 0666) < 0)
            throw_errno("make device node " + node);
        HeldTree::take(node).put(path);
    }
}

install::Metadata metadata(const std::string& bindir) {
    install::Metadata result;
    result.version = BANGER_VERSION;
    result.paths.bindir = bindir;
    for (const auto& account : accounts)
        if (account.registered)
            result.owners.push_back({account.name, account.id, account.id});
    return result;
}

void write_account_files() {
    const auto passwd = passwd_text(read_file("/etc/passwd"));
    const auto group = group_text(read_file("/etc/group"));
    graft("/etc",
          {"passwd", "passwd-", "group", "group-", "shadow", "shadow-", "gshadow", "gshadow-", "subuid",
           "subuid-", "subgid", "subgid-", "hostname", "hosts", "resolv.conf", "banger", "polkit-1"},
          true);
    make_file("/etc/passwd", passwd);
    make_file("/etc/group", group);
    make_file("/etc/shadow", shadow_text(passwd), 0600);
    make_file("/etc/subuid", subid_text());
    make_file("/etc/subgid", subid_text());
}

void write_etc(const Plan& plan) {
    write_account_files();
    const auto host = ("banger-" + plan.layout.name).substr(0, 63);
    make_file("/etc/hostname", host + "\n");
    make_file("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 " + host + "\n::1 localhost ip6-localhost\n");
    // slirp4netns(1): 10.0.2.3 passes queries on to the host's name server.
    make_file("/etc/resolv.conf", plan.uplink ? "nameserver 10.0.2.3\n" : "");
    if (::sethostname(host.data(), host.size()) < 0)
        throw_errno("set the host name");
    make_folder("/etc/banger", 0755);
}

/// Only our policy and rules, and polkit's own actions, so that tests do not depend on what else the host
/// has.
void write_polkit() {
    const std::string own_actions = "/usr/share/polkit-1/actions/org.freedesktop.policykit.policy";
    std::string own;
    if (::access(own_actions.c_str(), R_OK) == 0)
        own = read_file(own_actions);
    make_folder("/etc/polkit-1", 0755);
    make_folder("/etc/polkit-1/rules.d", 0755);
    make_file(std::string("/etc/polkit-1/rules.d/") + install::polkit_rules_name,
              install::render_polkit_rules(metadata("/usr/bin")));
    if (::access("/usr/share/polkit-1", F_OK) < 0)
        return; // no polkit here; whoever asked for it was told so before
    mount_fresh("tmpfs", "/usr/share/polkit-1", "mode=755");
    make_folder("/usr/share/polkit-1/actions", 0755);
    make_folder("/usr/share/polkit-1/rules.d", 0755);
    make_file(std::string("/usr/share/polkit-1/actions/") + install::polkit_policy_name,
              install::render_polkit_policy());
    if (!own.empty())
        make_file(own_actions, own);
}

void raise_loopback() {
    const OwnedFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strncpy(request.ifr_name, "lo", IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) < 0)
        throw_errno("bring up the loopback interface");
}

/// Whether the owner's account may run the programs where they lie.
bool owner_reaches(const std::string& bindir) {
    ProcessSpec spec;
    spec.program = "/usr/bin/test";
    spec.arguments = {"-x", bindir + "/banger"};
    spec.uid_gid = std::pair(owner_account.id, owner_account.id);
    return run(spec, {.timeout = std::chrono::seconds(10)}).status == 0;
}

std::string place_programs(const Plan& plan, Held& held) {
    if (owner_reaches(plan.bindir))
        return plan.bindir;
    const std::string prefix = inner_prefix;
    make_folder(prefix, 0755);
    make_folder(prefix + "/bin", 0755);
    held.bin.make_read_only().put(prefix + "/bin");
    if (held.lib) {
        make_folder(prefix + "/lib", 0755);
        held.lib->make_read_only().put(prefix + "/lib");
    }
    if (!owner_reaches(prefix + "/bin"))
        throw Error(ErrorCode::FailedPrecondition,
                    "other accounts may not read or run " + plan.bindir + "/banger",
                    "make the program and its folder readable for all: chmod -R a+rX " + plan.bindir);
    return prefix + "/bin";
}

void place_homes(Held& held) {
    graft("/home", {accounts[0].name, accounts[1].name, accounts[2].name}, false);
    for (const auto& account : accounts)
        make_folder(user_of(account).home, 0700, account.id);
    held.home.put(user_of(owner_account).home);
}

} // namespace

void prepare_folders(const Layout& layout) {
    make_directories(std::filesystem::path(layout.state).parent_path().string(), 0711);
    make_directories(layout.state, 0711);
    struct stat status{};
    const bool there = ::lstat(layout.home().c_str(), &status) == 0;
    if (there && (!S_ISDIR(status.st_mode) || status.st_uid != owner_account.id))
        throw Error(ErrorCode::FailedPrecondition,
                    layout.home() + " is not a folder of uid " + std::to_string(owner_account.id),
                    "it is not a home that an instance made: name another folder with --state");
    if (!there)
        make_folder(layout.home(), 0700, owner_account.id);
    remove_tree(layout.temporary());
    make_folder(layout.temporary(), 01777);
    remove_tree(layout.logs());
    make_folder(layout.logs(), 0755);
    make_directories(run_root, 0711);
    make_folder(layout.run, 0711);
    make_folder(layout.configuration(), 0755);
    make_folder(layout.session_folder(), 0711, owner_account.id);
}

std::string set_up_machine(const Plan& plan) {
    make_mounts_private();
    Held held(plan);
    make_run(plan, held);
    mount_kernel_views(held);
    open_devices();
    write_etc(plan);
    place_homes(held);
    graft("/var/lib", {"banger"}, true);
    make_folder("/var/lib/banger", 0711);
    mount_fresh("tmpfs", "/var/lib/banger", "mode=711");
    write_polkit();
    held.tmp.put("/tmp");
    held.var_tmp.put("/var/tmp");
    raise_loopback();
    auto bindir = place_programs(plan, held);
    make_file(install::metadata_path, install::render_metadata(metadata(bindir)));
    return bindir;
}

} // namespace banger::instance
