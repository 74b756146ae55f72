#include "instance/services.hpp"

#include "base/error.hpp"
#include "install/metadata.hpp"
#include "instance/mounts.hpp"

#include <unistd.h>

namespace banger::instance {

namespace {

constexpr const char* head =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n<busconfig>\n";

/// What a system bus allows everyone (as dbus-daemon's own system.conf): the bus itself, signals, and
/// answers.
constexpr const char* system_defaults = R"(  <policy context="default">
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Peer"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"
          send_member="UpdateActivationEnvironment"/>
    <deny send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Debug.Stats"/>
  </policy>
)";

/// Root may play any system service: none is here but polkit, and tests put stand-ins in their place.
constexpr const char* system_services = R"(  <policy user="root">
    <allow own="*"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    <allow send_destination="org.freedesktop.login1"/>
    <allow send_destination="org.freedesktop.machine1"/>
    <allow send_destination="org.freedesktop.resolve1"/>
    <allow send_destination="org.freedesktop.systemd1"/>
  </policy>
  <policy user="root">
    <allow send_interface="org.freedesktop.PolicyKit1.AuthenticationAgent"/>
  </policy>
  <include ignore_missing="yes">/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
)";

std::string admitted(bool everyone_of_ours) {
    std::string text = "  <policy context=\"default\">\n    <deny user=\"*\"/>\n    <allow user=\"root\"/>\n";
    if (everyone_of_ours) {
        text += "    <allow user=\"polkitd\"/>\n";
        for (const auto& account : accounts)
            text += "    <allow user=\"" + std::string(account.name) + "\"/>\n";
    } else {
        text += "    <allow user=\"" + std::string(owner_account.name) + "\"/>\n";
    }
    return text + "  </policy>\n";
}

ProcessSpec service(const std::string& program, std::vector<std::string> arguments, int log_fd) {
    ProcessSpec spec;
    spec.program = program;
    spec.arguments = std::move(arguments);
    spec.stdout_fd = log_fd;
    spec.stderr_fd = log_fd;
    spec.new_session = true;
    return spec;
}

ProcessSpec bus_spec(const std::string& configuration, int ready_fd, int log_fd) {
    auto spec = service(find_program("dbus-daemon", "dbus-daemon"),
                        {"--config-file=" + configuration, "--nofork", "--nopidfile", "--nosyslog",
                         "--print-address=" + std::to_string(ready_fd)},
                        log_fd);
    spec.inherited = {ready_fd};
    return spec;
}

std::vector<std::string> service_environment(const Plan& plan, const User& user, const std::string& bindir) {
    auto environment = user_environment(plan.layout, user, bindir);
    environment.push_back("BANGER_LOG_TARGET=stderr");
    environment.insert(environment.end(), plan.passed_on.begin(), plan.passed_on.end());
    return environment;
}

User root() {
    return {"root", 0, 0, "/root", {}};
}

/// Where distributions put it: polkit's own folder, or a libexec one.
std::string polkitd_program() {
    for (const char* path :
         {"/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd", "/usr/libexec/polkit-1/polkitd"})
        if (::access(path, X_OK) == 0)
            return path;
    throw Error(ErrorCode::Unavailable, "polkitd is not installed",
                "install it: your distribution's package is likely called polkitd");
}

} // namespace

std::string system_bus_configuration(const Layout& layout) {
    return std::string(head) + "  <type>system</type>\n  <listen>" + layout.system_address() +
           "</listen>\n  <auth>EXTERNAL</auth>\n  <servicedir>" + layout.configuration() +
           "/system-services</servicedir>\n" + admitted(true) + system_defaults + system_services +
           "  <include>" + layout.configuration() + "/" + install::bus_policy_name +
           "</include>\n</busconfig>\n";
}

std::string session_bus_configuration(const Layout& layout) {
    return std::string(head) + "  <type>session</type>\n  <listen>" + layout.session_address() +
           "</listen>\n  <auth>EXTERNAL</auth>\n  <servicedir>" + layout.configuration() +
           "/session-services</servicedir>\n" + admitted(false) +
           "  <policy context=\"default\">\n    <allow send_destination=\"*\" eavesdrop=\"true\"/>\n"
           "    <allow eavesdrop=\"true\"/>\n    <allow own=\"*\"/>\n  </policy>\n</busconfig>\n";
}

void write_bus_files(const Layout& layout, const std::string& bindir) {
    const auto conf = layout.configuration();
    make_folder(conf + "/system-services", 0755);
    make_folder(conf + "/session-services", 0755);
    make_file(conf + "/system.conf", system_bus_configuration(layout));
    make_file(conf + "/session.conf", session_bus_configuration(layout));
    make_file(conf + "/" + install::bus_policy_name, install::render_bus_policy(install::read_metadata()));
    make_file(conf + "/system-services/" + install::helper_activation_name,
              install::render_helper_activation(bindir, false));
    make_file(conf + "/session-services/" + install::manager_activation_name,
              install::render_manager_activation(bindir, false));
}

std::vector<std::string> user_environment(const Layout& layout, const User& user, const std::string& bindir) {
    std::vector<std::string> environment{
        "HOME=" + user.home,
        "USER=" + user.name,
        "LOGNAME=" + user.name,
        "SHELL=/bin/sh",
        "PATH=" + bindir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
        "BANGER_INSTANCE=" + layout.name,
        "DBUS_SYSTEM_BUS_ADDRESS=" + layout.system_address(),
        "DBUS_SESSION_BUS_ADDRESS=" + layout.session_address(),
    };
    for (const auto& account : accounts)
        if (account.id == user.uid)
            environment.push_back("XDG_RUNTIME_DIR=/run/user/" + std::to_string(user.uid));
    return environment;
}

ProcessSpec system_bus_spec(const Plan& plan, const std::string& bindir, int ready_fd, int log_fd) {
    auto spec = bus_spec(plan.layout.configuration() + "/system.conf", ready_fd, log_fd);
    spec.environment = service_environment(plan, root(), bindir);
    return spec;
}

ProcessSpec session_bus_spec(const Plan& plan, const std::string& bindir, int ready_fd, int log_fd) {
    const auto owner = user_of(owner_account);
    auto spec = bus_spec(plan.layout.configuration() + "/session.conf", ready_fd, log_fd);
    spec.environment = service_environment(plan, owner, bindir);
    spec.directory = owner.home;
    spec.uid_gid = std::pair(owner.uid, owner.gid);
    return spec;
}

ProcessSpec polkitd_spec(const Plan& plan, const std::string& bindir, int log_fd) {
    auto spec = service(polkitd_program(), {"--no-debug"}, log_fd);
    spec.environment = service_environment(plan, root(), bindir);
    return spec;
}

void check_programs(bool polkit) {
    find_program("dbus-daemon", "dbus-daemon");
    if (polkit)
        polkitd_program();
}

} // namespace banger::instance
