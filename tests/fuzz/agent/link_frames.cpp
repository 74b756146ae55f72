#include "agent/link.hpp"
#include "base/error.hpp"
#include "input.hpp"

#include <cstdlib>

// Fed whole and byte by byte, a stream gives the same frames; each encodes to what it came from.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger;
    const auto text = as_text(data, size);
    std::string whole, pieces;
    try {
        link::Decoder decoder;
        decoder.feed(text);
        while (const auto frame = decoder.next())
            whole += link::encode(frame->type, frame->payload);
    } catch (const Error&) {
        whole += "malformed";
    }
    try {
        link::Decoder decoder;
        for (size_t i = 0; i < size; i++) {
            decoder.feed(text.substr(i, 1));
            while (const auto frame = decoder.next())
                pieces += link::encode(frame->type, frame->payload);
        }
    } catch (const Error&) {
        pieces += "malformed";
    }
    if (whole != pieces || (!whole.ends_with("malformed") && !text.starts_with(whole)))
        std::abort();
    return 0;
}
