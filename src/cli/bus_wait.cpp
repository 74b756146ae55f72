#include "cli/bus_wait.hpp"

#include "bus/object_path.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <optional>
#include <variant>

namespace banger::cli {

namespace {

constexpr auto manager_interface = "org.banger.Manager1";

int timeout_ms(uint64_t deadline_us) {
    if (deadline_us == UINT64_MAX)
        return -1;
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto now_us =
        static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
    return deadline_us <= now_us
               ? 0
               : static_cast<int>(std::min<uint64_t>((deadline_us - now_us) / 1000 + 1, 60'000));
}

} // namespace

int wait_for_bus(sdbus::IConnection& connection, const SignalScope& signals, int at_most_ms, int also) {
    const auto data = bus::poll_data(connection);
    std::array<pollfd, 4> fds{{{data.fd, data.events, 0},
                               {signals.fd(), POLLIN, 0},
                               {data.event_fd, POLLIN, 0},
                               {also, POLLIN, 0}}};
    auto wait = timeout_ms(data.timeout_us);
    if (at_most_ms >= 0 && (wait < 0 || wait > at_most_ms))
        wait = at_most_ms;
    if (::poll(fds.data(), fds.size(), wait) < 0 && errno != EINTR)
        throw_errno("poll");
    return signals.take();
}

void handle_bus_until(sdbus::IConnection& connection, const SignalScope& signals,
                      const std::function<bool()>& done) {
    for (;;) {
        while (!done() && bus::process_one(connection)) {
        }
        if (done())
            return;
        if (const int signal = wait_for_bus(connection, signals, -1))
            throw Interrupted{signal};
    }
}

LateCall::LateCall(Manager& manager, const std::string& member, const std::string& name,
                   const bus::Variants& options) {
    manager.call([&](ManagerProxy& proxy) {
        proxy.raw()
            .callMethodAsync(member.c_str())
            .onInterface(manager_interface)
            .withTimeout(UINT64_MAX) // none, sd_bus_call_async(3)
            .withArguments(name, options)
            .uponReplyInvoke([outcome = outcome_](bus::ReplyError error, const bus::Variants& answer) {
                if (error)
                    *outcome = bus::from_bus(*error);
                else
                    *outcome = answer;
            });
    });
}

bus::Variants LateCall::result() const {
    if (const auto* error = std::get_if<Error>(&**outcome_))
        throw *error;
    return std::get<bus::Variants>(**outcome_);
}

bus::Variants call_late(Manager& manager, const SignalScope& signals, const std::string& member,
                        const std::string& name, const bus::Variants& options) {
    LateCall call(manager, member, name, options);
    handle_bus_until(manager.connection(), signals, [&] { return call.answered(); });
    return manager.call([&](ManagerProxy&) { return call.result(); });
}

} // namespace banger::cli
