// What banger-jail is told for Firecracker's jailer, and what the two programs say of their version: whatever
// the bytes, parsing gives what renders to the same words, or an Error, or nothing.
#include "base/error.hpp"
#include "helper/firecracker.hpp"
#include "jail/jailer_plan.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto version = banger::helper::parse_program_version("Jailer", text))
        if (!text.starts_with("Jailer v" + version->text))
            std::abort();
    try {
        const auto plan = banger::jail::parse_plan(text);
        if (banger::jail::to_plan(banger::jail::parse_jailer_plan(plan)) != plan)
            std::abort();
    } catch (const banger::Error&) {
        return 0;
    }
    return 0;
}
