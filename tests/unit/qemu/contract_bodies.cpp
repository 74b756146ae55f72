// Prints every request body that src/vmm makes, in several shapes, one JSON object a line: {"definition": …,
// "body": …}.
#include "vmm/requests.hpp"

#include <nlohmann/json.hpp>

#include <iostream>

using namespace banger::vmm;

namespace {

template <class T>
void print(const char* definition, const T& request) {
    std::cout << nlohmann::json{{"definition", definition}, {"body", to_body(request)}}.dump() << '\n';
}

} // namespace

int main() {
    const RateLimiter limiter{TokenBucket{1 << 20, 100, 1 << 21}, TokenBucket{100, 1000, {}}};
    print("BootSource", BootSource{"/kernel", {}, {}});
    print("BootSource", BootSource{"/kernel", "/initrd", "quiet banger.root=none"});
    print("MachineConfiguration", MachineConfig{});
    print("MachineConfiguration", MachineConfig{32, 1 << 20, true, true});
    print("Drive", Drive{"root", "/drives/root", true, true, false, {}});
    print("Drive", Drive{"data", "/drives/data", false, false, true, limiter});
    print("NetworkInterface", NetworkInterface{"eth0", "btap-0123456789", {}, {}, {}, {}});
    print("NetworkInterface",
          NetworkInterface{"eth0", "btap-0123456789", "06:00:00:00:00:01", 1500, limiter, limiter});
    print("Vsock", Vsock{3, "/run/vsock.sock"});
    print("EntropyDevice", Entropy{});
    print("EntropyDevice", Entropy{limiter});
    print("Balloon", Balloon{});
    print("Balloon", Balloon{64, false, 5, true});
    print("SnapshotCreateParams", SnapshotCreate{"/s", "/m", false});
    print("SnapshotCreateParams", SnapshotCreate{"/s", "/m", true});
    print("SnapshotLoadParams",
          SnapshotLoad{"/s", "/m", true, true, {{"eth0", "btap-1"}}, "/run/vsock.sock"});
    print("SnapshotLoadParams", SnapshotLoad{"/s", "/m", false, false, {}, {}});
    for (const auto action : {Action::InstanceStart, Action::SendCtrlAltDel, Action::FlushMetrics})
        print("InstanceActionInfo", action);
    for (const auto state : {VmState::Paused, VmState::Resumed})
        print("Vm", state);
    return 0;
}
