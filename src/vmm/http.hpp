// One persistent HTTP connection over a Unix socket, blocking, with a deadline and a stop token.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

namespace banger::vmm {

using Deadline = std::chrono::steady_clock::time_point;

struct HttpReply {
    unsigned status = 0;
    std::string body;
};

/// Not for two threads at once. Makes its session at the first request.
class HttpConnection {
public:
    explicit HttpConnection(std::string socket_path);
    HttpConnection(HttpConnection&&) noexcept;
    HttpConnection& operator=(HttpConnection&&) noexcept;
    ~HttpConnection();

    /// Sends one request and waits for its reply; an empty `body` is none. Throws Error: Unavailable (nobody
    /// answers at the socket, or the connection broke), Timeout, Cancelled, InvalidArgument (a reply past 1
    /// MiB, or no HTTP).
    HttpReply request(const char* method, const std::string& path, const std::string& body, Deadline deadline,
                      const std::stop_token& stop);

private:
    struct Session;
    std::string socket_path_;
    std::unique_ptr<Session> session_;
};

} // namespace banger::vmm
