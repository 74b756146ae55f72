#include "agent/protocol.hpp"
#include "input.hpp"

#include <cstdlib>

namespace {

template <class Parser>
void attempt(Parser&& parse) {
    try {
        parse();
    } catch (const banger::Error&) {
    }
}

} // namespace

// All that a guest may answer; its error texts must be harmless to a terminal.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::agent;
    const auto text = as_text(data, size);
    attempt([&] { parse_exit(text); });
    attempt([&] { parse_info(text); });
    attempt([&] { parse_done(text); });
    attempt([&] { parse_ports(text); });
    attempt([&] { parse_stats(text); });
    attempt([&] { parse_path_status(text); });
    attempt([&] { parse_count("bytes", text); });
    attempt([&] { parse_resize(text); });
    attempt([&] { parse_signal(text); });
    attempt([&] {
        if (parse_error(text).message().find('\x1b') != std::string::npos)
            std::abort();
    });
    return 0;
}
