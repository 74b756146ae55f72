#include "agent/devices.hpp"
#include "agent/network.hpp"
#include "agent/session.hpp"
#include "agent/users.hpp"
#include "base/error.hpp"
#include "input.hpp"

// The texts of an image that the agent reads: passwd, group, hosts; of the initramfs; of /proc.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace banger::agent;
    const auto text = as_text(data, size);
    const auto half = text.substr(0, size / 2);
    try {
        find_user("me", half, text.substr(size / 2));
    } catch (const banger::Error&) {
    }
    try {
        parse_module_order(text);
    } catch (const banger::Error&) {
    }
    hosts_with(text, "box");
    std::vector<uint64_t> inodes;
    if (parse_proc_net(text, "tcp", inodes).size() != inodes.size())
        __builtin_trap();
    GuestStats stats;
    read_meminfo(text, stats);
    read_loadavg(text, stats);
    return 0;
}
