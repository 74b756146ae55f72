// QEMU's machine protocol (docs/interop/qmp-spec.txt of QEMU), over a descriptor, in the main loop.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/loop.hpp"
#include "qemu/byte_queue.hpp"
#include "qemu/config.hpp"
#include "qemu/io_watch.hpp"

#include <functional>
#include <map>
#include <string>

namespace banger::qemu {

class Qmp {
public:
    using Reply = std::function<void(Outcome<Json>)>; ///< the value of "return"

    /// `fd` is a connected socket. Asks for command mode at once; `on_ready` is called when QEMU's own loop
    /// answers, which is when all devices are made and the guest runs.
    Qmp(OwnedFd fd, std::function<void()> on_ready);

    void execute(const char* command, Json arguments, Reply reply);
    /// All that wait are told `why`; nothing is sent or called any more.
    void close(const Error& why);

private:
    void on_io(GIOCondition conditions);
    void read_some();
    void take_line(std::string_view line);
    void flush();

    OwnedFd fd_;
    std::string input_;
    ByteQueue output_;
    std::map<uint64_t, Reply> waiting_; ///< by the id of the command
    uint64_t last_id_ = 0;
    bool closed_ = false;
    IoWatch watch_;
};

} // namespace banger::qemu
