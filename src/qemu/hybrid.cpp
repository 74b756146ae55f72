#include "qemu/hybrid.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace banger::qemu {

namespace {

constexpr size_t most_greetings = 64;
constexpr std::string_view blanks = " \t\r\v\f";

std::string_view next_word(std::string_view& rest) {
    rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
    const auto word = rest.substr(0, rest.find_first_of(blanks));
    rest.remove_prefix(word.size());
    return word;
}

bool is_connect(std::string_view word) {
    constexpr std::string_view lower = "connect";
    return std::equal(word.begin(), word.end(), lower.begin(), lower.end(),
                      [](char a, char b) { return (a | 0x20) == b; });
}

} // namespace

std::optional<uint32_t> parse_connect(std::string_view line) {
    if (!is_connect(next_word(line)))
        return std::nullopt;
    const auto word = next_word(line);
    uint32_t port = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), port);
    if (word.empty() || error != std::errc() || end != word.data() + word.size())
        return std::nullopt;
    return port;
}

std::string next_ok_line() {
    // Firecracker's numbers begin here too, so that they cannot be taken for a guest's listening port.
    constexpr uint32_t first = 1u << 30;
    static uint32_t used = 0; // the loop's thread alone counts
    return "OK " + std::to_string(first + used++ % first) + "\n";
}

HybridListener::HybridListener(std::string path)
    : path_(std::move(path))
    , listener_(listen_unix(path_)) {
    ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK);
}

HybridListener::~HybridListener() {
    ::unlink(path_.c_str());
}

void HybridListener::serve(OnConnect on_connect) {
    on_connect_ = std::move(on_connect);
    watch_ = IoWatch(listener_.get(), [this](GIOCondition) { accept_all(); });
    watch_.want(true, false);
}

OwnedFd HybridListener::connect_host(uint32_t port) const {
    int error_number = 0;
    return try_connect_unix(path_ + "_" + std::to_string(port), error_number, SOCK_NONBLOCK);
}

void HybridListener::accept_all() {
    for (;;) {
        OwnedFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client)
            return;
        if (greetings_.size() == most_greetings)
            greetings_.pop_front(); // whoever said nothing for the longest time
        const auto greeting = greetings_.insert(greetings_.end(), {std::move(client), {}, {}});
        greeting->watch =
            IoWatch(greeting->client.get(), [this, greeting](GIOCondition) { read_line(greeting); });
        greeting->watch.want(true, false);
    }
}

void HybridListener::read_line(Greetings::iterator greeting) {
    char buffer[longest_connect_line];
    auto& line = greeting->line;
    const int socket = greeting->client.get();
    // Looked at first, then taken up to the newline: what follows belongs to the session.
    const auto seen = ::recv(socket, buffer, sizeof buffer - line.size(), MSG_PEEK);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    const std::string_view text(buffer, seen > 0 ? static_cast<size_t>(seen) : 0);
    const auto end = text.find('\n');
    const auto taken = text.substr(0, end == text.npos ? end : end + 1);
    if (taken.empty() || ::recv(socket, buffer, taken.size(), 0) != static_cast<ssize_t>(taken.size())) {
        greetings_.erase(greeting);
        return;
    }
    line += text.substr(0, end);
    if (end == text.npos && line.size() < sizeof buffer)
        return; // the rest is yet to come
    const auto port = end == text.npos ? std::nullopt : parse_connect(line);
    auto client = std::move(greeting->client);
    greetings_.erase(greeting);
    if (port)
        on_connect_(std::move(client), *port);
}

} // namespace banger::qemu
