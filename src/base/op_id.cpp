#include "base/op_id.hpp"

#include "base/error.hpp"

#include <sys/random.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace banger {

namespace {
thread_local std::string current;
}

std::string random_hex(size_t bytes) {
    std::vector<unsigned char> raw(bytes);
    if (::getrandom(raw.data(), raw.size(), 0) != static_cast<ssize_t>(raw.size()))
        throw_errno("getrandom");
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const auto byte : raw) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

OpId OpId::make() {
    return OpId(random_hex(16));
}

OpId OpId::parse(std::string_view text) {
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (text.size() != 32 || !std::all_of(text.begin(), text.end(), is_hex))
        throw Error(ErrorCode::InvalidArgument, "an operation id is 32 lowercase hex digits");
    return OpId(std::string(text));
}

const std::string& current_op_id() noexcept {
    return current;
}

OpScope::OpScope(std::string id)
    : before_(std::exchange(current, std::move(id))) {}

OpScope::~OpScope() {
    current = std::move(before_);
}

} // namespace banger
