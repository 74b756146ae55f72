// What nftables lists, with names and comments by anybody: parsing it gives an Error, or commands of which
// none goes beyond our own tables and rules.
#include "base/error.hpp"
#include "helper/firewall.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sstream>
#include <string>
#include <string_view>

using namespace banger::helper;

static void check(const std::string& commands) {
    std::istringstream lines(commands);
    for (std::string line; std::getline(lines, line);)
        if (line.find(" ip banger") == line.npos && line.find(" bridge banger") == line.npos &&
            !line.starts_with("delete rule ip filter FORWARD handle ") &&
            !line.starts_with("add rule ip filter FORWARD "))
            std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        auto found = firewall::parse_chains(text);
        firewall::parse_forward(text, found);
        firewall::parse_tables(text, text, found);
        check(firewall::plan(found, firewall::wanted({}, {})));
        check(firewall::plan(found, firewall::wanted({banger::BridgeName::parse("br-fc")}, {})));
    } catch (const banger::Error&) {
        return 0;
    }
    return 0;
}
