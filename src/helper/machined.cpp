#include "helper/machined.hpp"

#include "base/log.hpp"
#include "base/op_id.hpp"

#include <net/if.h>

#include <chrono>
#include <vector>

namespace banger::helper {

namespace {

constexpr const char* service = "org.freedesktop.machine1";
constexpr const char* path = "/org/freedesktop/machine1";
constexpr const char* interface = "org.freedesktop.machine1.Manager";
constexpr std::chrono::seconds patience{10};

void told(const std::string& name, const std::string& error) {
    log::debug(error.empty() ? "systemd-machined knows " + name
                             : "systemd-machined does not know " + name + ": " + error);
}

} // namespace

std::string machine_name(unsigned uid, const std::string& vm) {
    return "banger-" + std::to_string(uid) + "-" + vm;
}

Machined::Machined(sdbus::IConnection& connection)
    : manager_(sdbus::createProxy(connection, bus::ServiceName(service), bus::ObjectPath(path))) {}

void Machined::announce(const JailSpec& spec, int vmm_pid) noexcept {
    const auto name = machine_name(spec.uid, spec.vm);
    try {
        std::vector<int32_t> links;
        if (const auto index = spec.tap.empty() ? 0 : ::if_nametoindex(spec.tap.c_str()); index > 0)
            links.push_back(static_cast<int32_t>(index));
        // The name, no id of its own, who made it, its kind, its leader, no root directory, its links.
        manager_->callMethodAsync("RegisterMachineWithNetwork")
            .onInterface(interface)
            .withTimeout(patience)
            .withArguments(name, std::vector<uint8_t>{}, std::string("banger"), std::string("vm"),
                           static_cast<uint32_t>(vmm_pid), std::string(), links)
            .uponReplyInvoke([name, op = current_op_id()](bus::ReplyError error, const sdbus::ObjectPath&) {
                const OpScope scope(op);
                told(name, error ? error->getMessage() : std::string());
            });
    } catch (const std::exception& error) {
        told(name, error.what());
    }
}

} // namespace banger::helper
