#include "bus/options.hpp"

#include "base/op_id.hpp"

namespace banger::bus {

Options::Options(Variants values)
    : values_(std::move(values)) {
    const auto given = take<std::string>("op-id");
    op_id_ = given ? OpId::parse(*given).str() : OpId::make().str();
}

uint32_t Options::take_number(const std::string& key, uint32_t otherwise, uint32_t least, uint32_t most) {
    const auto value = take_or<uint32_t>(key, otherwise);
    if (value < least || value > most)
        throw Error(ErrorCode::InvalidArgument, key + " is " + std::to_string(value) + ", but must be from " +
                                                    std::to_string(least) + " to " + std::to_string(most));
    return value;
}

OwnedFd Options::take_fd(const std::string& key) {
    auto value = take<sdbus::UnixFd>(key);
    return value ? OwnedFd(value->release()) : OwnedFd();
}

void Options::finish() const {
    if (values_.empty())
        return;
    constexpr size_t named = 5;
    std::string keys;
    size_t count = 0;
    for (const auto& [key, value] : values_)
        if (count++ < named)
            keys += (keys.empty() ? "" : ", ") + key.substr(0, 64);
    if (count > named)
        keys += " and " + std::to_string(count - named) + " more";
    throw Error(ErrorCode::InvalidArgument, "unknown option: " + keys);
}

void Options::refuse_type(const std::string& key) {
    throw Error(ErrorCode::InvalidArgument, "option " + key + " is of the wrong type");
}

} // namespace banger::bus
