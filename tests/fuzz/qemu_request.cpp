// A request as foreign bytes: method, path and body, each on its own line (the body is the rest).
#include "base/error.hpp"
#include "qemu/request.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const auto next_line = [&rest] {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        return line;
    };
    const auto method = next_line();
    const auto path = next_line();
    try {
        banger::qemu::parse_request(method, path, rest);
    } catch (const banger::Error& error) {
        if (error.message().empty())
            __builtin_trap(); // a refusal says why
    }
    return 0;
}
