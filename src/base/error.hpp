// The one error type, and the one table that gives each code its D-Bus name and exit status.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace banger {

/// What kind of thing went wrong. The order is that of the table in error.cpp.
enum class ErrorCode {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    Busy,
    FailedPrecondition,
    NotAuthorized,
    AuthorizationDismissed,
    Unsupported,
    Timeout,
    Cancelled,
    Unavailable,
    Internal,
};

/// One row of the error table.
struct ErrorKind {
    ErrorCode code;
    std::string_view name; ///< "NotFound"; on D-Bus: org.banger.Error.NotFound
    int exit_status;       ///< of every CLI verb but run and exec, where banger's own failures are 125
};

/// Exit status of `vm run` and `vm exec` when banger itself failed (as docker and podman have it), so that
/// the command's own statuses keep their meaning.
inline constexpr int run_failure_status = 125;

inline constexpr std::string_view dbus_error_prefix = "org.banger.Error.";

const ErrorKind& error_kind(ErrorCode code) noexcept;
/// Takes "NotFound" or "org.banger.Error.NotFound"; what it does not know is Internal.
ErrorCode error_code_named(std::string_view name) noexcept;

/// A failure, told to people: what failed and why, at which step, what to do next, in which operation.
class Error : public std::exception {
public:
    /// All texts of an Error are made printable (base/text.hpp), whoever's words are in them.
    Error(ErrorCode code, std::string_view message, std::string_view hint = {});

    ErrorCode code() const noexcept { return code_; }
    const std::string& message() const noexcept { return message_; }
    const std::string& hint() const noexcept { return hint_; }   ///< what to do next; may be empty
    const std::string& step() const noexcept { return step_; }   ///< the step that failed; may be empty
    const std::string& op_id() const noexcept { return op_id_; } ///< may be empty until the boundary adds it
    /// Further lines for people, such as the end of the guest's console; may be empty.
    const std::string& details() const noexcept { return details_; }
    const char* what() const noexcept override { return message_.c_str(); }

    /// Each keeps what was set before: the innermost place knows best.
    Error& at_step(std::string_view step);
    Error& in_operation(std::string_view op_id);
    Error& with_hint(std::string_view hint);
    Error& with_details(std::string_view details);

    /// The text that goes over the bus: the message, then a line each for what else is known
    /// ("step: …", "hint: …", "detail: …" per line, "operation: …" last).
    std::string to_wire() const;
    /// The opposite; a text without such lines is all message.
    static Error from_wire(ErrorCode code, std::string_view text);

private:
    ErrorCode code_;
    std::string message_;
    std::string hint_;
    std::string step_;
    std::string op_id_;
    std::string details_;
};

/// An Error from errno: EACCES and EPERM → NotAuthorized, ENOENT → NotFound, EEXIST → AlreadyExists,
/// EBUSY → Busy, ENOSPC → FailedPrecondition, all else → Internal. `what` names operation and object: "open
/// /x".
Error errno_error(std::string_view what, int error_number);
/// The same with the current errno, thrown.
[[noreturn]] void throw_errno(std::string_view what);

} // namespace banger
