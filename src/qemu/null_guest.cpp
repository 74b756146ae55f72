#include "qemu/null_guest.hpp"

#include "agent/null_session.hpp"
#include "agent/protocol.hpp"

#include <fcntl.h>

#include <thread>

namespace banger::qemu {

namespace {

constexpr size_t most_sessions = 256;

void make_blocking(int fd) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

} // namespace

void NullGuest::start(const VmConfig&, Done done) {
    if (mode_ == NullMode::DieAtStart)
        return on_end_(1, "null guest told to die at its start");
    done(std::nullopt);
    if (!listener_)
        return;
    listener_->serve([this](OwnedFd client, uint32_t port) { connect(std::move(client), port); });
    if (mode_ == NullMode::Ordinary)
        say_ready();
}

void NullGuest::send_ctrl_alt_del(Done done) {
    done(std::nullopt);
    on_end_(0, "");
}

void NullGuest::balloon_statistics(uint64_t memory_mib, DoneWith done) {
    done(Json{{"actual_mib", 0}, {"actual_pages", 0}, {"total_memory", memory_mib << 20}});
}

void NullGuest::connect(OwnedFd client, uint32_t port) {
    if (mode_ != NullMode::Ordinary || port != agent::agent_port || sessions_ == most_sessions)
        return; // closed: nobody listens there
    ++sessions_;
    make_blocking(client.get());
    std::thread([this, client = std::move(client), greeting = next_ok_line(),
                 sessions = sessions_]() mutable noexcept {
        auto end = agent::NullSessionEnd::Ordinary;
        try {
            write_all(client.get(), greeting, "greeting");
            end = agent::serve_null_session(client.get(), sessions);
        } catch (const Error&) {
            // The client left before it was greeted.
        }
        client.reset();
        loop_.post([this, end] {
            --sessions_;
            if (end == agent::NullSessionEnd::ShutdownAsked)
                on_end_(0, "");
        });
    }).detach();
}

void NullGuest::say_ready() const {
    const auto host = listener_->connect_host(agent::ready_port);
    if (!host)
        return;
    agent::AgentInfo info;
    info.agent = BANGER_VERSION;
    info.kernel = "null";
    try {
        write_all(host.get(), agent::encode_frame(agent::FrameType::Ready, agent::encode_info(info)),
                  "ready frame");
    } catch (const Error&) {
        // Whoever listened is gone; a real guest would not care either.
    }
}

} // namespace banger::qemu
