#include "agent/cmdline.hpp"
#include "base/error.hpp"
#include "input.hpp"

#include <cstdlib>

// Whatever is accepted names devices below /dev and nothing else.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::agent;
    try {
        const auto config = parse_cmdline(as_text(data, size));
        for (const auto& device : {config.image, config.writable})
            if (!device.empty() && (!device.starts_with("/dev/") || device.find('/', 5) != device.npos))
                std::abort();
        if (config.root == RootKind::Overlay && (config.image.empty() || config.writable.empty()))
            std::abort();
    } catch (const banger::Error&) {
    }
    return 0;
}
