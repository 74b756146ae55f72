#include "agent/null_session.hpp"
#include "agent/protocol.hpp"
#include "base/fd.hpp"
#include "input.hpp"

#include <sys/socket.h>

// A whole session with the agent's answers thrown away, and the decoder alone.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger;
    try {
        agent::FrameDecoder decoder;
        decoder.feed(as_text(data, size));
        while (decoder.next())
            continue;
    } catch (const Error&) {
    }
    if (size > 100'000)
        return 0; // more than the socket's buffer would block
    const auto [client, server] = make_socketpair();
    write_all(client.get(), as_text(data, size), "input");
    ::shutdown(client.get(), SHUT_RDWR);
    agent::serve_null_session(server.get());
    return 0;
}
