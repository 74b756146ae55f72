// The a{sv} argument of a method: every key is taken once, with its type; what nobody took is refused.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"
#include "bus/compat.hpp"

#include <optional>
#include <string>

namespace banger::bus {

class Options {
public:
    /// Takes `op-id` at once; throws InvalidArgument when it is not one.
    explicit Options(Variants values);

    /// The caller's operation id, or a new one.
    const std::string& op_id() const noexcept { return op_id_; }

    /// The value of `key`, or nothing; InvalidArgument when it is of another type.
    template <class T>
    std::optional<T> take(const std::string& key) {
        const auto found = values_.find(key);
        if (found == values_.end())
            return std::nullopt;
        const auto node = values_.extract(found);
        try {
            return node.mapped().template get<T>();
        } catch (const sdbus::Error&) {
            refuse_type(key);
        }
    }
    template <class T>
    T take_or(const std::string& key, T otherwise) {
        auto value = take<T>(key);
        return value ? std::move(*value) : std::move(otherwise);
    }
    template <class T>
    T require(const std::string& key) {
        auto value = take<T>(key);
        if (!value)
            throw Error(ErrorCode::InvalidArgument, "option " + key + " is missing");
        return std::move(*value);
    }
    /// A number within bounds; InvalidArgument names them.
    uint32_t take_number(const std::string& key, uint32_t otherwise, uint32_t least, uint32_t most);
    /// A descriptor that is the taker's from now on; empty when the key is absent.
    OwnedFd take_fd(const std::string& key);

    /// Refuses what was not taken.
    void finish() const;

private:
    [[noreturn]] static void refuse_type(const std::string& key);
    Variants values_;
    std::string op_id_;
};

} // namespace banger::bus
