// The talk between the helper and banger-jail, over a pair of SOCK_SEQPACKET sockets: the helper sends one
// plan (what to execute, with its descriptors), banger-jail answers that it is there, the helper lets it go.
#pragma once

#include "base/fd.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::jail {

inline constexpr size_t plan_limit = 32 << 10; ///< bytes
inline constexpr size_t words_limit = 256;
inline constexpr size_t descriptors_limit = 32;
/// The number that a plan's second descriptor gets, the third the next one, and so on; the first becomes
/// standard output and error.
inline constexpr int first_number = 3;

/// What to execute: an absolute path, and its arguments.
struct Plan {
    std::vector<std::string> words;
    bool operator==(const Plan&) const = default;
};

/// A plan's bytes: the format's version, then each word, ended by NUL. Throws InvalidArgument for what
/// parse_plan() refuses.
std::string render(const Plan& plan);
/// The opposite; throws InvalidArgument unless the version is this one, there are 1 to 256 words, the first
/// is an absolute path and the last is ended.
Plan parse_plan(std::string_view bytes);

struct Received {
    Plan plan;
    std::vector<OwnedFd> descriptors; ///< 1 to 32
};

/// A connected, close-on-exec pair; the first end gets its peer's credentials with each message (unix(7),
/// SO_PASSCRED).
std::pair<OwnedFd, OwnedFd> make_pair();
void send_plan(int socket, const Plan& plan, const std::vector<int>& descriptors);
/// Waits for it. Throws Error when the helper is gone, or sends something else.
Received receive_plan(int socket);

void say_ready(int socket);
/// Who said that it is ready, as the kernel saw it; nothing when the other end is closed. Throws for another
/// message.
std::optional<ucred> receive_ready(int socket);
void let_go(int socket);
/// Waits for it; false when the helper is gone.
bool await_go(int socket);

} // namespace banger::jail
