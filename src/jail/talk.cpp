#include "jail/talk.hpp"

#include "base/error.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace banger::jail {

namespace {

constexpr std::string_view version = "banger-jail 1";
constexpr std::string_view ready = "ready";
constexpr std::string_view go = "go";

[[noreturn]] void refuse(const std::string& what) {
    throw Error(ErrorCode::InvalidArgument, "plan of a jail: " + what);
}

void check(const Plan& plan) {
    if (plan.words.empty() || plan.words.size() > words_limit)
        refuse("not 1 to " + std::to_string(words_limit) + " words");
    if (!plan.words.front().starts_with('/'))
        refuse("its program is no absolute path");
}

void send_word(int socket, std::string_view word) {
    if (::send(socket, word.data(), word.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(word.size()))
        throw_errno("send a word about a jail");
}

/// Room for what comes beside a message: descriptors, and the sender's credentials.
struct alignas(cmsghdr) Beside {
    std::array<std::byte, CMSG_SPACE(sizeof(int) * descriptors_limit) + CMSG_SPACE(sizeof(ucred))> bytes{};
};

ssize_t receive(int socket, void* data, size_t size, Beside& beside, msghdr& message) {
    iovec part{data, size};
    message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = beside.bytes.data();
    message.msg_controllen = beside.bytes.size();
    ssize_t n;
    do
        n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        throw_errno("receive a message about a jail");
    message.msg_iov = nullptr; // it ends with this function
    return n;
}

std::vector<OwnedFd> take_descriptors(msghdr& message) {
    std::vector<OwnedFd> descriptors;
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            descriptors.emplace_back(fd);
        }
    }
    return descriptors;
}

} // namespace

std::string render(const Plan& plan) {
    check(plan);
    std::string bytes(version);
    bytes.push_back('\0');
    for (const auto& word : plan.words) {
        if (word.find('\0') != word.npos)
            refuse("a word holds NUL");
        bytes += word;
        bytes.push_back('\0');
    }
    if (bytes.size() > plan_limit)
        refuse("too long");
    return bytes;
}

Plan parse_plan(std::string_view bytes) {
    if (bytes.size() > plan_limit)
        refuse("too long");
    if (bytes.empty() || bytes.back() != '\0')
        refuse("cut off");
    Plan plan;
    for (bool first = true; !bytes.empty(); first = false) {
        const auto end = bytes.find('\0');
        const auto word = bytes.substr(0, end);
        bytes.remove_prefix(end + 1);
        if (first && word != version)
            refuse("of another version");
        if (!first)
            plan.words.emplace_back(word);
    }
    check(plan);
    return plan;
}

std::pair<OwnedFd, OwnedFd> make_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        throw_errno("socketpair");
    std::pair<OwnedFd, OwnedFd> pair{OwnedFd(ends[0]), OwnedFd(ends[1])};
    const int on = 1;
    if (::setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        throw_errno("SO_PASSCRED");
    return pair;
}

void send_plan(int socket, const Plan& plan, const std::vector<int>& descriptors) {
    if (descriptors.empty() || descriptors.size() > descriptors_limit)
        refuse("not 1 to " + std::to_string(descriptors_limit) + " descriptors");
    auto bytes = render(plan);
    iovec part{bytes.data(), bytes.size()};
    Beside beside;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = beside.bytes.data();
    message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
    std::memcpy(CMSG_DATA(header), descriptors.data(), sizeof(int) * descriptors.size());
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
        throw_errno("send the plan of a jail");
}

Received receive_plan(int socket) {
    std::string bytes(plan_limit, '\0');
    Beside beside;
    msghdr message;
    const auto n = receive(socket, bytes.data(), bytes.size(), beside, message);
    Received received;
    received.descriptors = take_descriptors(message); // owned before anything is refused
    if (n == 0)
        throw Error(ErrorCode::Cancelled, "the helper is gone");
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        refuse("too long");
    bytes.resize(static_cast<size_t>(n));
    received.plan = parse_plan(bytes);
    if (received.descriptors.empty())
        refuse("without descriptors");
    return received;
}

void say_ready(int socket) {
    send_word(socket, ready);
}

std::optional<ucred> receive_ready(int socket) {
    std::array<char, 16> word{};
    Beside beside;
    msghdr message;
    const auto n = receive(socket, word.data(), word.size(), beside, message);
    const auto unwanted = take_descriptors(message);
    if (n == 0)
        return std::nullopt;
    if (std::string_view(word.data(), static_cast<size_t>(n)) != ready || !unwanted.empty())
        throw Error(ErrorCode::Internal, "a jail said something else than that it is ready");
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
            continue;
        ucred who{};
        std::memcpy(&who, CMSG_DATA(header), sizeof who);
        return who;
    }
    throw Error(ErrorCode::Internal, "a jail did not say who it is");
}

void let_go(int socket) {
    send_word(socket, go);
}

bool await_go(int socket) {
    std::array<char, 16> word{};
    ssize_t n;
    do
        n = ::recv(socket, word.data(), word.size(), 0);
    while (n < 0 && errno == EINTR);
    return n > 0 && std::string_view(word.data(), static_cast<size_t>(n)) == go;
}

} // namespace banger::jail
