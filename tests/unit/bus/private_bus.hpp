// A message bus of a test's own: dbus-daemon on a socket in a folder of its own, gone at the end of the
// scope.
#pragma once

#include "../base/scratch.hpp"
#include "base/process.hpp"

#include <sdbus-c++/sdbus-c++.h>

#include <csignal>
#include <memory>
#include <string>

namespace banger::test {

class PrivateBus {
public:
    PrivateBus() {
        write_file_atomically(
            scratch_ / "bus.conf",
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" "
            "\"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
            "<busconfig><type>session</type><listen>unix:path=" +
                (scratch_ / "socket") +
                "</listen><policy context=\"default\"><allow send_destination=\"*\" "
                "eavesdrop=\"true\"/><allow eavesdrop=\"true\"/>"
                "<allow own=\"*\"/><allow user=\"*\"/></policy></busconfig>\n");
        auto [address_read, address_write] = make_pipe();
        ProcessSpec spec;
        spec.program = find_program("dbus-daemon", "dbus-daemon");
        spec.arguments = {"--config-file=" + (scratch_ / "bus.conf"), "--nofork", "--nopidfile",
                          "--print-address=" + std::to_string(address_write.get())};
        spec.inherited = {address_write.get()};
        spec.parent_death_signal = SIGKILL;
        child_ = spawn(spec);
        address_write.reset();
        // The address is printed when the socket listens.
        if (!wait_readable(address_read.get(), 30'000))
            throw Error(ErrorCode::Timeout, "dbus-daemon did not start");
    }
    PrivateBus(const PrivateBus&) = delete;
    PrivateBus& operator=(const PrivateBus&) = delete;
    ~PrivateBus() { stop(); }

    std::unique_ptr<sdbus::IConnection> connect() const {
        return sdbus::createSessionBusConnectionWithAddress("unix:path=" + (scratch_ / "socket"));
    }
    void stop() {
        if (child_.pid < 0)
            return;
        ::kill(child_.pid, SIGKILL);
        wait_child(child_);
        child_ = {};
    }

private:
    Scratch scratch_;
    Child child_;
};

} // namespace banger::test
