#include "qemu/serial_vsock.hpp"

#include <algorithm>

namespace banger::qemu {

SerialVsock::SerialVsock(HybridListener& listener, OwnedFd host_port, std::vector<OwnedFd> session_ports,
                         Limits limits)
    : listener_(listener)
    , limits_(limits) {
    const auto connect_host = [this](uint32_t port) { return listener_.connect_host(port); };
    host_port_ = std::make_unique<SerialPort>(std::move(host_port), SerialPort::Events{{}, connect_host},
                                              limits_.patience);
    for (auto& fd : session_ports)
        ports_.push_back(std::make_unique<SerialPort>(
            std::move(fd), SerialPort::Events{[this] { serve_waiters(); }, {}}, limits_.patience));
    listener_.serve([this](OwnedFd client, uint32_t port) { connect(std::move(client), port); });
}

SerialPort* SerialVsock::free_port() {
    const auto free = std::find_if(ports_.begin(), ports_.end(),
                                   [](const auto& port) { return port->state() == SerialPort::State::Idle; });
    return free == ports_.end() ? nullptr : free->get();
}

bool SerialVsock::guest_is_up() const {
    return std::any_of(ports_.begin(), ports_.end(), [](const auto& port) {
        return port->state() != SerialPort::State::Down && port->state() != SerialPort::State::Dead;
    });
}

void SerialVsock::connect(OwnedFd client, uint32_t port) {
    if (auto* free = waiting_.empty() ? free_port() : nullptr)
        free->open(std::move(client), port, next_ok_line());
    else if (waiting_.size() < limits_.queue)
        enqueue(std::move(client), port);
}

void SerialVsock::enqueue(OwnedFd client, uint32_t port) {
    const auto waiter = waiting_.insert(waiting_.end(), {std::move(client), port, {}, {}});
    waiter->watch = IoWatch(waiter->client.get(), [this, waiter](GIOCondition) { waiting_.erase(waiter); });
    waiter->timer = Timer(limits_.guest_absent, [this, waiter] {
        if (guest_is_up())
            return true;
        waiting_.erase(waiter);
        return false;
    });
}

void SerialVsock::serve_waiters() {
    while (!waiting_.empty()) {
        auto* free = free_port();
        if (!free)
            return;
        auto client = std::move(waiting_.front().client);
        const auto port = waiting_.front().port;
        waiting_.pop_front();
        free->open(std::move(client), port, next_ok_line());
    }
}

} // namespace banger::qemu
