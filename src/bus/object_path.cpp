#include "bus/object_path.hpp"

#include "base/error.hpp"

#include <systemd/sd-bus.h>

#include <cstdlib>
#include <memory>

namespace banger::bus {

namespace {

std::string prefix(std::string_view kind) {
    return std::string(manager_path) + "/" + std::string(kind);
}

} // namespace

std::string object_path(std::string_view kind, std::string_view name) {
    char* raw = nullptr;
    if (sd_bus_path_encode(prefix(kind).c_str(), std::string(name).c_str(), &raw) < 0)
        throw Error(ErrorCode::Internal, "cannot make an object path for " + std::string(name));
    const std::unique_ptr<char, decltype(&std::free)> path(raw, std::free);
    return path.get();
}

std::string name_in_path(std::string_view kind, const std::string& path) {
    char* raw = nullptr;
    if (sd_bus_path_decode(path.c_str(), prefix(kind).c_str(), &raw) <= 0)
        return {};
    const std::unique_ptr<char, decltype(&std::free)> name(raw, std::free);
    // sd_bus_path_decode(3) takes more than sd_bus_path_encode(3) makes, such as a bad escape as it stands.
    return object_path(kind, name.get()) == path ? name.get() : "";
}

} // namespace banger::bus
