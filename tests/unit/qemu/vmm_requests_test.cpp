#include "vmm/requests.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

using namespace banger::vmm;
using nlohmann::json;

TEST_CASE("bodies hold what was set and nothing else") {
    CHECK(to_body(BootSource{"/kernel", {}, {}}) == json{{"kernel_image_path", "/kernel"}});
    CHECK(to_body(Vsock{7, "/run/v"}) == json{{"guest_cid", 7}, {"uds_path", "/run/v"}});
    CHECK(to_body(Entropy{}) == json::object());
    CHECK(to_body(Action::SendCtrlAltDel) == json{{"action_type", "SendCtrlAltDel"}});
    CHECK(to_body(VmState::Resumed) == json{{"state", "Resumed"}});
    Drive drive;
    drive.drive_id = "root";
    drive.path_on_host = "/drives/root";
    drive.rate_limiter = RateLimiter{TokenBucket{100, 10, {}}, {}};
    const auto body = to_body(drive);
    CHECK(body["cache_type"] == "Unsafe");
    CHECK(body["rate_limiter"] == json{{"bandwidth", {{"size", 100}, {"refill_time", 10}}}});
    CHECK(!body.contains("partuuid"));
}

TEST_CASE("a snapshot is loaded with its overrides") {
    const auto body = to_body(SnapshotLoad{"/s", "/m", false, true, {{"eth0", "btap-1"}}, "/run/v2"});
    CHECK(body["mem_backend"] == json{{"backend_type", "File"}, {"backend_path", "/m"}});
    CHECK(body["network_overrides"] == json::array({{{"iface_id", "eth0"}, {"host_dev_name", "btap-1"}}}));
    CHECK(body["vsock_override"]["uds_path"] == "/run/v2");
    CHECK(body["resume_vm"] == true);
}
