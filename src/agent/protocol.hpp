// The session protocol between host and guest agent, as values: frames, requests, answers. One request per
// stream. docs/agent-protocol.md is its description.
#pragma once

#include "base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace banger::agent {

inline constexpr int protocol_version = 1;
inline constexpr uint32_t agent_port = 1024; ///< the agent listens here
inline constexpr uint32_t ready_port = 1025; ///< the host listens here for the ready frame

inline constexpr size_t frame_header_size = 6;
inline constexpr size_t max_payload = 65536; ///< of any frame, control or data
/// Bytes of standard input that may be under way before the agent has said StdinTaken. Bounded so that the
/// agent can always read the stream: a signal must get through to a command that does not read its input.
inline constexpr size_t stdin_window = 256 * 1024;
/// What a transfer may hold: 1 are files, folders and symlinks; 2 also hard links and holes. A peer that says
/// nothing knows 1.
inline constexpr int entry_level = 2;

/// Below 32: said by the client (Entry, Data and EntriesEnd by the agent too, in `get`); from 32: said by the
/// agent.
enum class FrameType : uint8_t {
    Request = 1,  ///< JSON; the first frame
    Stdin,        ///< raw bytes
    StdinEof,     ///< empty
    Resize,       ///< JSON {rows, cols}
    Signal,       ///< JSON {signal: "INT"}
    Entry,        ///< JSON; a file's is followed by Data frames of `size` bytes altogether
    Data,         ///< raw bytes of the last entry
    EntriesEnd,   ///< empty
    OutputClosed, ///< JSON {stream: 1 or 2}: nobody reads it any more; the command is to meet a broken pipe
    Hole,         ///< JSON {bytes}: so much of the last entry is zeros that take no room; entry level 2
    Started = 32, ///< JSON {pid}
    Stdout,       ///< raw bytes
    Stderr,       ///< raw bytes
    StdinTaken,   ///< JSON {bytes}: so much was passed on (or thrown away, when the command closed its input)
    Exit,         ///< JSON {status, signal?, timed_out?}; the last frame
    Error,        ///< JSON {code, message, hint}; the last frame
    Done,         ///< JSON {files, bytes, skipped}; the last frame
    Info,         ///< JSON; the last frame
    Ready,        ///< JSON {version, kernel, ready_ms}; the only frame on ready_port
};

struct Frame {
    FrameType type;
    std::string payload;
};

/// The six bytes before a payload: u8 type, u8 zero, u32 LE length.
std::string frame_header(FrameType type, size_t length);
/// Header and payload; a payload over max_payload is an Error{InvalidArgument}.
std::string encode_frame(FrameType type, std::string_view payload = {});

/// Cuts a byte stream into frames.
class FrameDecoder {
public:
    void feed(std::string_view bytes);
    /// The next whole frame, or nothing yet. Throws Error{InvalidArgument} on a malformed one; the stream is
    /// then lost.
    std::optional<Frame> next();
    /// Whether bytes of an unfinished frame are held.
    bool in_frame() const noexcept { return start_ < buffer_.size(); }

private:
    std::string buffer_;
    size_t start_ = 0;
};

struct ExecRequest {
    std::vector<std::string> argv; ///< at least one; searched in PATH as a shell does
    std::vector<std::pair<std::string, std::string>> env{}; ///< added to the agent's default environment
    std::string cwd{}; ///< empty: the user's home, or / where there is none
    bool tty = false;
    uint16_t rows = 0; ///< of the tty; 0: unknown
    uint16_t cols = 0;
    std::string term{};      ///< TERM; empty: "linux" with a tty, unset without
    uint64_t timeout_ms = 0; ///< 0: none
    std::string user{};      ///< a name or number in the guest's /etc/passwd; empty: root
};

struct PutRequest {
    std::string directory; ///< made where missing; a relative one is below /root
    bool clear = false;    ///< remove first what the directory holds
    bool owner = false;    ///< give the files the owners that the entries name
};

struct GetRequest {
    std::string path;    ///< of a file or tree
    bool follow = false; ///< where the path is a symlink, get what it leads to
    int entries = 1;     ///< the entry level that the client knows
};

struct StatRequest {
    std::string path;
};

struct InfoRequest {};
struct PortsRequest {};
struct StatsRequest {};

enum class ShutdownMode { PowerOff, Reboot, Halt };

struct ShutdownRequest {
    ShutdownMode mode = ShutdownMode::PowerOff;
    uint64_t grace_ms =
        10000; ///< how long the image's own init may take before the agent ends the machine itself
};

struct TimeRequest {
    int64_t unix_ns = 0;
};

using Request = std::variant<ExecRequest, PutRequest, GetRequest, StatRequest, InfoRequest, PortsRequest,
                             StatsRequest, ShutdownRequest, TimeRequest>;

/// What the first frame says.
struct Envelope {
    std::string op_id; ///< may be empty
    Request request;
};

/// The payload of a Request frame. Throws Error{InvalidArgument} where it would not fit into a frame.
std::string encode_request(const Request& request, std::string_view op_id);
/// The opposite. Unknown keys are ignored; anything else that is not as described is an
/// Error{InvalidArgument}, another version or an unknown kind an Error{Unsupported}.
Envelope parse_request(std::string_view payload);

struct WindowSize {
    uint16_t rows = 0;
    uint16_t cols = 0;
};
std::string encode_resize(WindowSize size);
WindowSize parse_resize(std::string_view payload);

/// `signal` as SignalName spells it; no others go through.
std::string encode_signal(std::string_view signal);
/// The signal's number.
int parse_signal(std::string_view payload);

struct ExitStatus {
    int status = 0;         ///< as a shell tells it: 0–255, 128 + signal; 124 when timed out
    int signal = 0;         ///< that killed the command; 0: none
    bool timed_out = false; ///< the time limit of the request was reached
};
std::string encode_exit(const ExitStatus& exit);
ExitStatus parse_exit(std::string_view payload);

/// {"<key>": number}: the payloads of Started (pid) and StdinTaken (bytes).
std::string encode_count(std::string_view key, uint64_t count);
uint64_t parse_count(std::string_view key, std::string_view payload);

std::string encode_error(const Error& error);
/// The Error that the other side reported; its text is made safe to print.
Error parse_error(std::string_view payload);

/// What was moved by put or get.
struct TransferSummary {
    uint64_t files = 0;   ///< entries of any type
    uint64_t bytes = 0;   ///< of file content
    uint64_t skipped = 0; ///< what is neither file, directory nor symlink
};
std::string encode_done(const TransferSummary& summary);
TransferSummary parse_done(std::string_view payload);

/// The agent's answer to `info`, and (without sessions and uptime) its ready frame.
struct AgentInfo {
    int version = protocol_version;
    std::string agent;      ///< banger's version
    std::string kernel;     ///< release, as uname(2) has it
    uint64_t ready_ms = 0;  ///< from the kernel's start until the guest was ready
    uint64_t uptime_ms = 0; ///< of the kernel
    uint64_t sessions = 0;  ///< open ones, this one included
};
std::string encode_info(const AgentInfo& info);
AgentInfo parse_info(std::string_view payload);

enum class PathType { None, File, Directory, Symlink, Other };
/// The answer to `stat`.
struct PathStatus {
    PathType type = PathType::None;
    std::string path{};        ///< where it is, without symlinks; empty when there is nothing
    int entries = entry_level; ///< the entry level that the agent knows
};
std::string encode_path_status(const PathStatus& status);
PathStatus parse_path_status(std::string_view payload);

/// A socket that listens in the guest.
struct ListeningPort {
    std::string protocol; ///< "tcp" or "udp"
    std::string address;  ///< "0.0.0.0", "127.0.0.1", "::"
    uint16_t port = 0;
    std::string process; ///< its name; may be empty
};
/// Room on one of the guest's filesystems, in bytes.
struct DiskUse {
    std::string path; ///< where it is mounted
    uint64_t total = 0;
    uint64_t available = 0; ///< to an ordinary user, as df(1) has it
};

/// What the guest's kernel says of itself. A guest that is none (the null machine) has zeros.
struct GuestStats {
    uint64_t uptime_ms = 0;
    uint64_t memory_total = 0;     ///< bytes, MemTotal of /proc/meminfo
    uint64_t memory_available = 0; ///< bytes, MemAvailable
    uint64_t load_1 = 0;           ///< thousandths: the load of the last minute, of five, of fifteen
    uint64_t load_5 = 0;
    uint64_t load_15 = 0;
    uint64_t processes = 0;       ///< processes and threads
    std::vector<DiskUse> disks{}; ///< "/", and "/root" where that is a filesystem of its own
};
std::string encode_stats(const GuestStats& stats);
GuestStats parse_stats(std::string_view payload);

std::string encode_ports(const std::vector<ListeningPort>& ports);
std::vector<ListeningPort> parse_ports(std::string_view payload);

} // namespace banger::agent
