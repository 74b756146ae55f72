#include "helper/jail.hpp"

#include <string>

namespace banger::helper {

namespace {

/// The VMM's place in the jail. Its own executable may lie outside of /usr.
constexpr const char* program_path = "/banger-qemu";

/// bubblewrap's arguments, and the descriptors that it needs.
class Command {
public:
    void add(std::initializer_list<std::string> words) { arguments_.insert(arguments_.end(), words); }
    /// An option whose first operand is a descriptor.
    void add_fd(const std::string& option, int fd, std::initializer_list<std::string> more = {}) {
        add({option, std::to_string(fd)});
        add(more);
        inherited_.push_back(fd);
    }
    void inherit(int fd) { inherited_.push_back(fd); }
    void finish(ProcessSpec& spec) {
        spec.arguments = std::move(arguments_);
        spec.inherited = std::move(inherited_);
    }

private:
    std::vector<std::string> arguments_;
    std::vector<int> inherited_;
};

void add_namespaces(Command& command) {
    // No PID namespace: the helper signals the VMM by its own pid. --disable-userns: what cannot make a user
    // namespace cannot mount, so the mount of /run proves membership (kill_jail_members).
    command.add({"--unshare-user", "--disable-userns", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                 "--unshare-cgroup-try", "--hostname", "banger", "--cap-drop", "ALL", "--new-session",
                 "--clearenv"});
}

void add_files(Command& command, const JailSpec& spec) {
    command.add({"--ro-bind", "/usr", "/usr"});
    for (const char* folder : {"lib", "lib64", "bin", "sbin"})
        command.add({"--symlink", std::string("usr/") + folder, std::string("/") + folder});
    command.add({"--dev", "/dev", "--dev-bind-try", "/dev/kvm", "/dev/kvm", "--dev-bind-try",
                 "/dev/vhost-vsock", "/dev/vhost-vsock", "--tmpfs", "/tmp"});
    command.add_fd("--ro-bind-fd", spec.program_fd, {program_path});
    if (spec.kernel_fd >= 0)
        command.add_fd("--ro-bind-fd", spec.kernel_fd, {"/kernel"});
    if (spec.initrd_fd >= 0)
        command.add_fd("--ro-bind-fd", spec.initrd_fd, {"/initrd"});
    for (const auto& drive : spec.drives)
        command.add_fd(drive.read_only ? "--ro-bind-fd" : "--bind-fd", drive.fd, {"/drives/" + drive.name});
    command.add_fd("--bind-fd", spec.run_fd, {"/run"});
    command.add({"--remount-ro", "/", "--chdir", "/"});
}

void add_program(Command& command, const JailSpec& spec) {
    command.add({"--", program_path, "--id", spec.vm, "--api-sock", "/run/api.sock"});
    if (spec.null)
        command.add({"--null=" + (spec.null_mode.empty() ? "ordinary" : spec.null_mode)});
    if (!spec.tap.empty()) {
        command.add({"--tap", spec.tap + "=" + std::to_string(spec.tap_fd)});
        command.inherit(spec.tap_fd);
    }
}

} // namespace

std::string jail_name(uint32_t uid, const VmId& vm) {
    return std::to_string(uid) + "-" + vm.str();
}

std::string jail_run_path(const std::string& name) {
    return std::string(jails_folder) + "/" + name + "/run";
}

ProcessSpec jail_command(const JailSpec& spec) {
    Command command;
    add_namespaces(command);
    add_files(command, spec);
    command.add_fd("--info-fd", spec.info_fd);
    command.add_fd("--block-fd", spec.block_fd);
    add_program(command, spec);
    ProcessSpec process;
    process.program = bubblewrap;
    command.finish(process);
    process.stdout_fd = spec.output_fd;
    process.stderr_fd = spec.output_fd;
    process.uid_gid = {spec.uid, spec.gid};
    process.new_session = true;
    process.no_new_privileges = true;
    process.go_fd = spec.go_fd;
    return process;
}

} // namespace banger::helper
