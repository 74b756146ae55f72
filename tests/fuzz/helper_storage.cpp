// What comes from disks, from their owners and from the process that reads them: a value, or an Error.
#include "base/error.hpp"
#include "helper/image_request.hpp"
#include "helper/storage.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

template <class Body>
static void check(Body body) {
    try {
        body();
    } catch (const banger::Error&) {
        return;
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::helper;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check([&] { check_cow_header(bytes); });
    check([&] { parse_image_answer(bytes); });
    check([&] {
        const auto path = ImagePath::parse(bytes);
        if (path.str() != bytes || path.leaf().empty() || path.folder()[0] != '/')
            std::abort();
    });
    check([&] {
        const auto request = parse_image_request(bytes);
        if (!(parse_image_request(render(request)) == request))
            std::abort();
    });
    return 0;
}
