// What a stranger's git index makes `git ls-files` say.
#include "base/error.hpp"
#include "cli/workspace.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    try {
        const std::string_view listing(reinterpret_cast<const char*>(data), size);
        for (const auto& path : banger::cli::parse_tracked_files(listing))
            if (path.empty() || path.front() == '/' || path.back() == '/' ||
                ("/" + path + "/").find("/../") != path.npos)
                std::abort(); // it leads out of the tree
    } catch (const banger::Error&) {
        return 0; // refused
    }
    return 0;
}
