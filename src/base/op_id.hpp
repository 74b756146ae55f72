// The operation id: one per thing that a user asks for, the same in CLI, daemon, helper, journal and error.
#pragma once

#include <string>
#include <string_view>

namespace banger {

/// 128 random bits as 32 lowercase hex digits.
class OpId {
public:
    static OpId make();
    /// Throws InvalidArgument unless it is 32 lowercase hex digits.
    static OpId parse(std::string_view text);
    const std::string& str() const noexcept { return text_; }
    bool operator==(const OpId&) const = default;

private:
    explicit OpId(std::string text)
        : text_(std::move(text)) {}
    std::string text_;
};

/// `bytes` random bytes from getrandom(2), as lowercase hex.
std::string random_hex(size_t bytes);

/// The operation that this thread works for; empty outside of one. Logging and helper calls read it.
const std::string& current_op_id() noexcept;

/// Makes `id` the thread's current operation until the end of the scope.
class OpScope {
public:
    explicit OpScope(std::string id);
    OpScope(const OpScope&) = delete;
    OpScope& operator=(const OpScope&) = delete;
    ~OpScope();

private:
    std::string before_;
};

} // namespace banger
