// A kernel module of a stranger, and the list of what is built in.
#include "base/error.hpp"
#include "daemon/kernel/modinfo.hpp"
#include "daemon/kernel/modules.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    try {
        banger::ModuleBag bag;
        bag.offer_builtin(bytes);
        bag.offer("virtio.ko", std::string(bytes));
        bag.want_dependencies();
        bag.select();
    } catch (const banger::Error&) {
        return 0;
    }
    return 0;
}
