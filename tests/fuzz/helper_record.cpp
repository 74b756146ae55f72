// The ledger's files: whatever is in them, parsing gives a record that renders to itself, or an Error.
#include "base/error.hpp"
#include "helper/record.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

template <class Parse>
static void check(std::string_view text, Parse parse) {
    try {
        const auto record = parse(text);
        if (!(parse(render(record)) == record))
            std::abort();
    } catch (const banger::Error&) {
        return;
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check(text, banger::helper::parse_vm_record);
    check(text, banger::helper::parse_bridge_record);
    check(text, banger::helper::parse_forwarding_record);
    return 0;
}
