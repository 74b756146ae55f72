// The host's end of Firecracker's hybrid vsock: a Unix socket at which clients ask for a port of the guest.
#pragma once

#include "base/fd.hpp"
#include "qemu/io_watch.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>

namespace banger::qemu {

/// The longest request line with its newline, as Firecracker reads it.
inline constexpr size_t longest_connect_line = 32;

/// "CONNECT 1024" (in any case, blanks around and between, without the newline) → 1024; empty for anything
/// else.
std::optional<uint32_t> parse_connect(std::string_view line);
/// "OK <n>\n" with a number of the host's end that no other connection of this process has had lately.
std::string next_ok_line();

/// Listens at `path`; removes the socket when dropped.
class HybridListener {
public:
    /// A client that asked for `port`; it has read nothing yet, and what it sent after its line is unread.
    using OnConnect = std::function<void(OwnedFd client, uint32_t port)>;

    /// Binds at once, so that clients can connect; they are served from serve() on. Throws Error.
    explicit HybridListener(std::string path);
    HybridListener(const HybridListener&) = delete;
    HybridListener& operator=(const HybridListener&) = delete;
    ~HybridListener();

    const std::string& path() const { return path_; }
    void serve(OnConnect on_connect);
    /// Whoever listens at `<path>_<port>`, as a non-blocking socket; empty when nobody does.
    OwnedFd connect_host(uint32_t port) const;

private:
    struct Greeting {
        OwnedFd client;
        std::string line; ///< as far as it has come
        IoWatch watch;
    };
    using Greetings = std::list<Greeting>;

    void accept_all();
    void read_line(Greetings::iterator greeting);

    std::string path_;
    OwnedFd listener_;
    IoWatch watch_;
    OnConnect on_connect_;
    Greetings greetings_; ///< those that did not say yet where to
};

} // namespace banger::qemu
