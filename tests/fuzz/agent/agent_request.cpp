#include "agent/protocol.hpp"
#include "input.hpp"

#include <cstdlib>

// What is accepted means the same after being written again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::agent;
    std::string once;
    try {
        const auto envelope = parse_request(as_text(data, size));
        once = encode_request(envelope.request, envelope.op_id);
    } catch (const banger::Error&) {
        return 0;
    }
    const auto again = parse_request(once);
    if (encode_request(again.request, again.op_id) != once)
        std::abort();
    return 0;
}
