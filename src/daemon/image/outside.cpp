#include "daemon/image/outside.hpp"

#include "base/op_id.hpp"

#include <sys/prctl.h>

#include <cstdlib>
#include <utility>

namespace banger {

namespace {

bool is_restricted() {
    return ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && std::getenv("INVOCATION_ID") != nullptr;
}

/// Where systemd-run and systemctl find the user's manager.
std::vector<std::string> manager_environment() {
    std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    for (const char* name : {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"})
        if (const char* value = std::getenv(name))
            environment.push_back(std::string(name) + "=" + value);
    return environment;
}

} // namespace

Outside outside(ProcessSpec spec, const std::string& name) {
    auto inner = std::exchange(spec.arguments, {});
    spec.arguments = {"--user",
                      "--quiet",
                      "--pipe",
                      "--wait",
                      "--collect",
                      "--service-type=exec",
                      "--unit=" + name,
                      "--property=BindsTo=banger-daemon.service",
                      "--working-directory=" + (spec.directory.empty() ? "/" : spec.directory)};
    for (const auto& variable : spec.environment)
        spec.arguments.push_back("--setenv=" + variable);
    spec.arguments.emplace_back("--");
    spec.arguments.push_back(std::exchange(spec.program, find_program("systemd-run", "systemd")));
    spec.arguments.insert(spec.arguments.end(), inner.begin(), inner.end());
    spec.environment = manager_environment();
    ProcessSpec end;
    end.program = find_program("systemctl", "systemd");
    end.arguments = {"--user", "--quiet", "stop", name + ".service"};
    end.environment = manager_environment();
    return {std::move(spec), std::move(end)};
}

Outside outside(ProcessSpec spec) {
    if (!is_restricted())
        return {std::move(spec), {}};
    return outside(std::move(spec), "banger-outside-" + random_hex(6));
}

} // namespace banger
