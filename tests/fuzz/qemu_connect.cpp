// The request line of hybrid vsock.
#include "qemu/hybrid.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    banger::qemu::parse_connect({reinterpret_cast<const char*>(data), size});
    return 0;
}
