#include "base/companion.hpp"

#include "base/error.hpp"

#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <memory>

namespace banger {

std::string program_directory() {
    std::array<char, PATH_MAX> path{};
    const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
    if (length <= 0 || static_cast<size_t>(length) == path.size())
        throw_errno("read /proc/self/exe");
    const std::string text(path.data(), static_cast<size_t>(length));
    return text.substr(0, text.rfind('/'));
}

std::string module_path(const std::string& role) {
    const auto here = program_directory();
    const auto name = "/libbanger-" + role + ".so";
    const auto installed = here + "/" BANGER_MODULES_FROM_BIN + name;
    return ::access(installed.c_str(), R_OK) == 0 ? installed : here + "/../lib/banger" + name;
}

std::string companion_path(std::string_view name) {
    const auto here = program_directory();
    for (const auto& folder : {here, here + "/" BANGER_LIBEXEC_FROM_BIN}) {
        const auto path = folder + "/" + std::string(name);
        if (::access(path.c_str(), X_OK) != 0)
            continue;
        // Without "..", since it is shown to people and compared with what an install wrote down.
        const std::unique_ptr<char, decltype(&std::free)> plain(::realpath(path.c_str(), nullptr),
                                                                &std::free);
        return plain ? std::string(plain.get()) : path;
    }
    throw Error(ErrorCode::Unavailable, "the program " + std::string(name) + " is missing",
                "it belongs beside banger in " + here + " or in " + here +
                    "/" BANGER_LIBEXEC_FROM_BIN ": install banger again");
}

} // namespace banger
