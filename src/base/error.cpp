#include "base/error.hpp"

#include "base/text.hpp"

#include <array>
#include <cerrno>
#include <system_error>

namespace banger {

namespace {

constexpr std::array<ErrorKind, 12> kinds{{
    {ErrorCode::InvalidArgument, "InvalidArgument", 2},
    {ErrorCode::NotFound, "NotFound", 3},
    {ErrorCode::AlreadyExists, "AlreadyExists", 4},
    {ErrorCode::Busy, "Busy", 5},
    {ErrorCode::FailedPrecondition, "FailedPrecondition", 6},
    {ErrorCode::NotAuthorized, "NotAuthorized", 7},
    {ErrorCode::AuthorizationDismissed, "AuthorizationDismissed", 8},
    {ErrorCode::Unsupported, "Unsupported", 9},
    {ErrorCode::Timeout, "Timeout", 10},
    {ErrorCode::Cancelled, "Cancelled", 11},
    {ErrorCode::Unavailable, "Unavailable", 12},
    {ErrorCode::Internal, "Internal", 1},
}};

constexpr bool in_enum_order() {
    for (size_t i = 0; i < kinds.size(); ++i)
        if (kinds[i].code != static_cast<ErrorCode>(i))
            return false;
    return true;
}
static_assert(in_enum_order(), "the table is indexed by the code");

void keep_first(std::string& field, std::string_view value) {
    if (field.empty())
        field = printable_text(value);
}

void add_line(std::string& text, std::string_view key, std::string_view value) {
    if (value.empty())
        return;
    text += '\n';
    text += key;
    text += value;
}

bool take_line(std::string_view line, std::string_view key, std::string& field) {
    if (!line.starts_with(key))
        return false;
    if (!field.empty())
        field += '\n';
    field += line.substr(key.size());
    return true;
}

} // namespace

const ErrorKind& error_kind(ErrorCode code) noexcept {
    return kinds[static_cast<size_t>(code)];
}

ErrorCode error_code_named(std::string_view name) noexcept {
    if (name.starts_with(dbus_error_prefix))
        name.remove_prefix(dbus_error_prefix.size());
    for (const auto& kind : kinds)
        if (kind.name == name)
            return kind.code;
    return ErrorCode::Internal;
}

Error::Error(ErrorCode code, std::string_view message, std::string_view hint)
    : code_(code)
    , message_(printable_text(message))
    , hint_(printable_text(hint)) {}

Error& Error::at_step(std::string_view step) {
    keep_first(step_, step);
    return *this;
}

Error& Error::in_operation(std::string_view op_id) {
    keep_first(op_id_, op_id);
    return *this;
}

Error& Error::with_hint(std::string_view hint) {
    keep_first(hint_, hint);
    return *this;
}

Error& Error::with_details(std::string_view details) {
    keep_first(details_, details);
    return *this;
}

std::string Error::to_wire() const {
    std::string text = message_;
    add_line(text, "step: ", step_);
    add_line(text, "hint: ", hint_);
    for (size_t at = 0; at < details_.size();) {
        const auto end = std::min(details_.find('\n', at), details_.size());
        add_line(text, "detail: ", std::string_view(details_).substr(at, end - at));
        at = end + 1;
    }
    add_line(text, "operation: ", op_id_);
    return text;
}

Error Error::from_wire(ErrorCode code, std::string_view text) {
    Error error(code, {});
    for (size_t at = 0; at <= text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        const auto line = text.substr(at, end - at);
        at = end + 1;
        if (take_line(line, "step: ", error.step_) || take_line(line, "hint: ", error.hint_) ||
            take_line(line, "detail: ", error.details_) || take_line(line, "operation: ", error.op_id_))
            continue;
        if (!error.message_.empty())
            error.message_ += '\n';
        error.message_ += line;
    }
    return error;
}

Error errno_error(std::string_view what, int error_number) {
    const auto text = std::string(what) + ": " + std::generic_category().message(error_number);
    switch (error_number) {
    case EACCES:
    case EPERM:
        return {ErrorCode::NotAuthorized, text};
    case ENOENT:
        return {ErrorCode::NotFound, text};
    case EEXIST:
        return {ErrorCode::AlreadyExists, text};
    case EBUSY:
        return {ErrorCode::Busy, text};
    case ENOSPC:
    case EDQUOT:
        return {ErrorCode::FailedPrecondition, text, "free some disk space and try again"};
    default:
        return {ErrorCode::Internal, text};
    }
}

void throw_errno(std::string_view what) {
    throw errno_error(what, errno);
}

} // namespace banger
