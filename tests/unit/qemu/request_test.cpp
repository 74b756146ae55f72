#include "base/error.hpp"
#include "qemu/request.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::qemu;

namespace {

std::string refusal(std::string_view method, std::string_view path, std::string_view body) {
    try {
        parse_request(method, path, body);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidArgument);
        return error.message();
    }
    return "accepted";
}

template <class T>
T parsed(std::string_view method, std::string_view path, std::string_view body) {
    return std::get<T>(parse_request(method, path, body));
}

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != text.npos;
}

} // namespace

TEST_CASE("a boot source is read whole") {
    const auto source = parsed<BootSource>(
        "PUT", "/boot-source", R"({"kernel_image_path":"/k","initrd_path":"/i","boot_args":"a b"})");
    CHECK(source.kernel_image_path == "/k");
    CHECK(source.initrd_path == "/i");
    CHECK(source.boot_args == "a b");
    CHECK(!parsed<BootSource>("PUT", "/boot-source", R"({"kernel_image_path":"/k","boot_args":null})")
               .boot_args);
}

TEST_CASE("what is unknown, missing or of the wrong type is refused in serde's words") {
    CHECK(holds(refusal("PUT", "/boot-source", R"({"kernel_image_path":"/k","foo":1})"),
                "unknown field `foo`, expected one of `kernel_image_path`, `initrd_path`, `boot_args`"));
    CHECK(holds(refusal("PUT", "/boot-source", "{}"), "missing field `kernel_image_path`"));
    CHECK(holds(refusal("PUT", "/boot-source", R"({"kernel_image_path":3})"),
                "invalid type: integer `3`, expected a string"));
    CHECK(holds(refusal("PUT", "/boot-source", R"({"kernel_image_path":"a\u0000b"})"), "NUL"));
    CHECK(holds(refusal("PUT", "/boot-source", "[]"), "invalid type: sequence, expected a map"));
    CHECK(holds(refusal("PUT", "/boot-source", "{"), "not valid JSON"));
    CHECK(holds(refusal("PUT", "/boot-source", "{} {}"), "not valid JSON"));
    CHECK(holds(refusal("PUT", "/mmds", std::string(40000, '[')), "recursion limit"));
    CHECK(holds(refusal("PUT", "/actions", R"({"action_type":"Fly"})"),
                "unknown variant `Fly`, expected one of `FlushMetrics`, `InstanceStart`, `SendCtrlAltDel`"));
    CHECK(holds(refusal("PUT", "/machine-config", R"({"vcpu_count":256,"mem_size_mib":1})"),
                "invalid value: integer `256`, expected u8"));
    CHECK(holds(refusal("PUT", "/machine-config", R"({"vcpu_count":-1,"mem_size_mib":1})"), "invalid value"));
    CHECK(
        holds(refusal("PUT", "/machine-config", R"({"vcpu_count":1.5,"mem_size_mib":1})"), "floating point"));
    CHECK(holds(refusal("PUT", "/vsock", R"({"guest_cid":4294967296,"uds_path":"/v"})"), "expected u32"));
    CHECK(holds(
        refusal("PUT", "/drives/a", R"({"drive_id":"a","is_root_device":false,"rate_limiter":{"bytes":1}})"),
        "unknown field `bytes`"));
    CHECK(holds(refusal("PUT", "/drives/a",
                        R"({"drive_id":"a","is_root_device":false,"rate_limiter":{"ops":{"size":1}}})"),
                "missing field `refill_time`"));
}

TEST_CASE("methods and paths that do not exist are named in the refusal") {
    CHECK(refusal("PUT", "/foo", "{}") == "Invalid request method and/or path: PUT foo.");
    CHECK(refusal("GET", "/foo/bar", "") == "Invalid request method and/or path: GET foo.");
    CHECK(refusal("POST", "/actions", "{}") == "Invalid request method and/or path: POST actions.");
    CHECK(refusal("GET", "/boot-source", "") == "Invalid request method and/or path: GET boot-source.");
    CHECK(refusal("GET", "/version", "{}") == "GET request cannot have a body.");
    CHECK(refusal("PUT", "/boot-source", "") == "Empty PUT request.");
    CHECK(refusal("PATCH", "/vm", "") == "Empty PATCH request.");
    CHECK(refusal("PATCH", "/machine-config", "{}") == "Empty PATCH request.");
    CHECK(refusal("PUT", "/snapshot", "{}") == "Missing snapshot operation type.");
}

TEST_CASE("the ids of path and body must agree and be plain") {
    const auto body = R"({"drive_id":"a","is_root_device":false,"is_read_only":true,"path_on_host":"/d"})";
    CHECK(parsed<Drive>("PUT", "/drives/a", body).is_read_only == true);
    CHECK(refusal("PUT", "/drives/b", body) == "The id from the path does not match the id from the body!");
    CHECK(refusal("PUT", "/drives", body) == "The ID cannot be empty.");
    CHECK(refusal("PUT", "/drives/a-b", body) ==
          "API Resource IDs can only contain alphanumeric characters and underscores.");
    CHECK(refusal("PUT", "/network-interfaces/x", R"({"iface_id":"y","host_dev_name":"t"})") ==
          "The id from the path [x] does not match the id from the body [y]!");
}

TEST_CASE("MAC addresses") {
    const auto with = [](const std::string& mac) {
        return R"({"iface_id":"e","host_dev_name":"t","guest_mac":")" + mac + R"("})";
    };
    CHECK(parsed<NetworkInterface>("PUT", "/network-interfaces/e", with("06:00:AC:10:00:02")).guest_mac ==
          "06:00:ac:10:00:02");
    for (const auto* bad :
         {"", "06:00:ac:10:00", "06:00:ac:10:00:0g", "06-00-ac-10-00-02", "06:00:ac:10:00:02,x"})
        CHECK(
            holds(refusal("PUT", "/network-interfaces/e", with(bad)), "The provided MAC address is invalid"));
}

TEST_CASE("PUT resets what it does not name, PATCH leaves it") {
    const auto put =
        parsed<MachineChange>("PUT", "/machine-config", R"({"vcpu_count":2,"mem_size_mib":256})").update;
    CHECK(put.smt == false);
    CHECK(put.huge_pages == "None");
    const auto patch = parsed<MachineChange>("PATCH", "/machine-config", R"({"mem_size_mib":512})").update;
    CHECK(!patch.smt);
    CHECK(!patch.vcpu_count);
    CHECK(patch.mem_size_mib == 512);
}

TEST_CASE("what QEMU has not is refused by name") {
    for (const auto& [method, path, body] : {std::tuple{"PUT", "/snapshot/create", "{}"},
                                             {"PUT", "/snapshot/load", "{}"},
                                             {"PUT", "/pmem/a", "{}"},
                                             {"PUT", "/cpu-config", "{}"},
                                             {"PUT", "/hotplug/memory", "{}"},
                                             {"GET", "/hotplug/memory", ""},
                                             {"PATCH", "/balloon/hinting/start", ""},
                                             {"GET", "/balloon/hinting/status", ""},
                                             {"DELETE", "/drives/a", ""}})
        CHECK(holds(parsed<Unsupported>(method, path, body).message,
                    "The requested operation is not supported: banger-qemu has no "));
}

TEST_CASE("the other requests") {
    CHECK(parsed<Get>("GET", "/", "") == Get::Instance);
    CHECK(parsed<Get>("GET", "/vm/config", "") == Get::VmConfig);
    CHECK(parsed<Get>("GET", "/balloon/statistics", "") == Get::BalloonStatistics);
    CHECK(parsed<VmState>("PATCH", "/vm", R"({"state":"Paused"})") == VmState::Paused);
    CHECK(parsed<Action>("PUT", "/actions", R"({"action_type":"SendCtrlAltDel"})") == Action::SendCtrlAltDel);
    CHECK(parsed<BalloonUpdate>("PATCH", "/balloon", R"({"amount_mib":3})").amount_mib == 3);
    CHECK(parsed<BalloonStatisticsUpdate>("PATCH", "/balloon/statistics", R"({"stats_polling_interval_s":5})")
              .stats_polling_interval_s == 5);
    CHECK(parsed<Logger>("PUT", "/logger", R"({"level":"wArNiNg"})").level == "Warning");
    CHECK(holds(refusal("PUT", "/logger", R"({"level":"loud"})"), "unknown variant"));
    CHECK(parsed<Vsock>("PUT", "/vsock", R"({"guest_cid":3,"uds_path":"/v","vsock_id":"old"})").guest_cid ==
          3);
}
