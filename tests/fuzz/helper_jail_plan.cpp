// What banger-jail is told: whatever the bytes, parsing gives a plan that renders to the same bytes, or an
// Error.
#include "base/error.hpp"
#include "helper/vm_unit.hpp"
#include "jail/talk.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        if (banger::jail::render(banger::jail::parse_plan(text)) != text)
            std::abort();
    } catch (const banger::Error&) {
        // And what else the unit's launcher reads.
        if (const auto name = banger::helper::parse_unit_name(banger::helper::unit_in_slice(text)))
            if (banger::helper::unit_name(name->first, name->second).size() > text.size())
                std::abort();
    }
    return 0;
}
