#include "daemon/vm/command_line.hpp"

#include "daemon/vm/vmm_choice.hpp"

namespace banger::daemon {

namespace {

// console=ttyS0       the serial port is the console that the owner can read
// quiet loglevel=4    the console is slow: warnings and worse only; a panic is always told
// panic=-1            the end of the guest is the end of the VMM: panic reboots at once
// mitigations=off audit=0 apparmor=0 nokaslr   the sandbox is the VM; each costs time at boot or at
// every system call net.ifnames=0       eth0, whatever udev thinks 8250.nr_uarts=1 i8042.* cryptomgr.notests
// random.trust_cpu=on   no probing of devices that are not there, no self-tests, no
//                     waiting for entropy
constexpr std::string_view fast =
    "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off audit=0 apparmor=0 nokaslr "
    "net.ifnames=0 "
    "8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.nopnp i8042.dumbkbd cryptomgr.notests random.trust_cpu=on";

} // namespace

std::string command_line(const VmConfig& vm, const GuestBoot& boot) {
    std::string line(fast);
    // How a VMM learns of a reboot: Firecracker by its keyboard controller, QEMU's microvm by a triple fault.
    line += boot.vmm == "firecracker" ? " reboot=k" : " reboot=t";
    const auto add = [&](std::string_view key, const std::string& value) {
        line += " banger.";
        line += key;
        line += '=' + value;
    };
    add("transport", guest_transport(boot.vmm));
    add("root", boot.has_root ? "overlay:/dev/vda:/dev/vdb" : "none");
    add("ip", vm.address.str() + "/" + std::to_string(boot.bridge.prefix()));
    add("gw", boot.bridge.address().str());
    add("hostname", vm.name.str());
    add("init", "auto");
    return line;
}

} // namespace banger::daemon
