// The API's HTTP server, in the main loop.
#pragma once

#include "base/fd.hpp"
#include "qemu/machine.hpp"

#include <libsoup/soup.h>

#include <deque>
#include <memory>

namespace banger::qemu {

/// Serves `machine` at a listening Unix socket, one request after the other.
class Server {
public:
    Server(OwnedFd listener, Machine& machine, Records& records);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

private:
    static void on_request(SoupServer*, SoupServerMessage* message, const char*, GHashTable*, gpointer self);
    static void on_headers(SoupServer*, SoupServerMessage* message, const char*, GHashTable*, gpointer self);
    void next();
    void handle(SoupServerMessage* message);
    void answer(SoupServerMessage* message, const Answer& answer);

    Machine& machine_;
    Records& records_;
    SoupServer* server_;
    struct Waiting {
        SoupServerMessage* message; ///< a reference
        bool paused = false;        ///< its answer did not come at once
    };
    std::deque<Waiting> queue_; ///< the first is being handled when busy_
    bool busy_ = false;
    bool in_next_ = false;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace banger::qemu
