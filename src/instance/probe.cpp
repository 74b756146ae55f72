#include "instance/probe.hpp"

#include "base/error.hpp"

#include <systemd/sd-bus.h>

#include <cstdint>
#include <cstring>
#include <memory>

namespace banger::instance {

namespace {

using Clock = std::chrono::steady_clock;
using Bus = std::unique_ptr<sd_bus, decltype(&sd_bus_flush_close_unref)>;

constexpr uint64_t call_timeout_us = 10'000'000;
constexpr const char* bus_name = "org.freedesktop.DBus";
constexpr const char* bus_path = "/org/freedesktop/DBus";

/// sd-bus returns negative errno values.
void check(int result, const std::string& address, const char* what) {
    if (result < 0)
        throw Error(ErrorCode::Unavailable,
                    std::string(what) + " on the bus at " + address + ": " + std::strerror(-result));
}

Bus connect(const std::string& address) {
    sd_bus* raw = nullptr;
    check(sd_bus_new(&raw), address, "connect");
    Bus bus(raw, sd_bus_flush_close_unref);
    check(sd_bus_set_address(raw, address.c_str()), address, "connect");
    check(sd_bus_set_bus_client(raw, 1), address, "connect");
    check(sd_bus_set_method_call_timeout(raw, call_timeout_us), address, "connect");
    check(sd_bus_start(raw), address, "connect");
    return bus;
}

bool has_owner(sd_bus* bus, const std::string& address, const std::string& name) {
    sd_bus_message* reply = nullptr;
    int owned = 0;
    const int called = sd_bus_call_method(bus, bus_name, bus_path, bus_name, "NameHasOwner", nullptr, &reply,
                                          "s", name.c_str());
    const int got = called < 0 ? called : sd_bus_message_read(reply, "b", &owned);
    sd_bus_message_unref(reply);
    check(got, address, "NameHasOwner");
    return owned != 0;
}

int note_change(sd_bus_message*, void* changed, sd_bus_error*) {
    *static_cast<bool*>(changed) = true;
    return 0;
}

} // namespace

void ping_bus(const std::string& address) {
    const auto bus = connect(address);
    has_owner(bus.get(), address, bus_name);
}

void wait_for_name(const std::string& address, const std::string& name, std::chrono::milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    const auto bus = connect(address);
    bool changed = true;
    std::string match = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='";
    match.append(name).append("'");
    check(sd_bus_add_match(bus.get(), nullptr, match.c_str(), note_change, &changed), address, "AddMatch");
    while (!changed || !has_owner(bus.get(), address, name)) {
        changed = false;
        int processed = 0;
        while (!changed && (processed = sd_bus_process(bus.get(), nullptr)) > 0)
            ;
        check(processed, address, "process");
        const auto left =
            std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now()).count();
        if (left <= 0)
            throw Error(ErrorCode::Timeout,
                        std::string(name).append(" did not come to the bus at ").append(address));
        if (!changed)
            check(sd_bus_wait(bus.get(), static_cast<uint64_t>(left)), address, "wait");
    }
}

} // namespace banger::instance
