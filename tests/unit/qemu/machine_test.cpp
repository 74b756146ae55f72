#include "base/file.hpp"
#include "loop_help.hpp"
#include "qemu/machine.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::qemu;

namespace {

/// Writes down what it is asked for, and fails when told to.
struct FakeGuest : Guest {
    std::vector<std::string> calls;
    std::optional<Error> failure;
    Done pending;
    bool defer = false;

    void note(const std::string& call, const Done& done) {
        calls.push_back(call);
        if (defer)
            pending = done;
        else
            done(failure);
    }
    void prepare_tap(const NetworkInterface& interface) override {
        if (failure)
            throw Error(*failure);
        calls.push_back("tap " + interface.host_dev_name);
    }
    void start(const VmConfig&, Done done) override { note("start", done); }
    void pause(Done done) override { note("pause", done); }
    void resume(Done done) override { note("resume", done); }
    void send_ctrl_alt_del(Done done) override { note("keys", done); }
    void set_balloon(uint64_t memory, uint64_t balloon, Done done) override {
        note("balloon " + std::to_string(memory) + " " + std::to_string(balloon), done);
    }
    void set_balloon_interval(unsigned seconds, Done done) override {
        note("interval " + std::to_string(seconds), done);
    }
    void balloon_statistics(uint64_t, DoneWith done) override {
        done(Json{{"actual_mib", 1}, {"actual_pages", 256}});
    }
    void set_drive_limits(const std::string& id, const RateLimiter&, Done done) override {
        note("limits " + id, done);
    }
};

struct Fixture {
    test::TemporaryDirectory directory;
    FakeGuest guest;
    Records records{"x"};
    Machine machine{"x", guest, records};
    std::string file = directory / "file";

    Fixture() { write_file_atomically(file, "content"); }

    Answer ask(std::string_view method, std::string_view path, const Json& body = nullptr) {
        std::optional<Answer> answer;
        machine.handle(parse_request(method, path, body.is_null() ? "" : body.dump()),
                       [&](const Answer& given) { answer = given; });
        return answer.value_or(Answer{0, "no answer yet"});
    }
    std::string refusal(std::string_view method, std::string_view path, const Json& body = nullptr) {
        const auto answer = ask(method, path, body);
        CHECK(answer.status == 400);
        return Json::parse(answer.body)["fault_message"];
    }
    Json drive(const std::string& id, bool root) const {
        return {{"drive_id", id}, {"is_root_device", root}, {"path_on_host", file}, {"is_read_only", true}};
    }
    void start() {
        REQUIRE(ask("PUT", "/boot-source", {{"kernel_image_path", file}}).status == 204);
        REQUIRE(ask("PUT", "/actions", {{"action_type", "InstanceStart"}}).status == 204);
    }
    std::string state() { return Json::parse(ask("GET", "/").body)["state"]; }
};

constexpr auto before_start = "The requested operation is not supported before starting the microVM.";
constexpr auto after_start = "The requested operation is not supported after starting the microVM.";

} // namespace

TEST_CASE_FIXTURE(Fixture, "a machine starts once, pauses and resumes") {
    CHECK(state() == "Not started");
    CHECK(refusal("PUT", "/actions", {{"action_type", "InstanceStart"}}) ==
          "Start microvm error: Cannot start microvm without kernel configuration.");
    start();
    CHECK(state() == "Running");
    CHECK(refusal("PUT", "/actions", {{"action_type", "InstanceStart"}}) == after_start);
    CHECK(ask("PATCH", "/vm", {{"state", "Paused"}}).status == 204);
    CHECK(state() == "Paused");
    CHECK(ask("PATCH", "/vm", {{"state", "Resumed"}}).status == 204);
    CHECK(state() == "Running");
    CHECK(ask("PUT", "/actions", {{"action_type", "SendCtrlAltDel"}}).status == 204);
    CHECK(guest.calls == std::vector<std::string>{"start", "pause", "resume", "keys"});
}

TEST_CASE_FIXTURE(Fixture, "a start that fails leaves the machine to be started") {
    REQUIRE(ask("PUT", "/boot-source", {{"kernel_image_path", file}}).status == 204);
    guest.failure = Error(ErrorCode::Internal, "no such drive");
    CHECK(refusal("PUT", "/actions", {{"action_type", "InstanceStart"}}) ==
          "Start microvm error: no such drive");
    CHECK(state() == "Not started");
    guest.failure.reset();
    start();
    CHECK(state() == "Running");
}

TEST_CASE_FIXTURE(Fixture, "an answer may come later") {
    REQUIRE(ask("PUT", "/boot-source", {{"kernel_image_path", file}}).status == 204);
    guest.defer = true;
    std::optional<Answer> answer;
    machine.handle(Action::InstanceStart, [&](const Answer& given) { answer = given; });
    CHECK(!answer);
    guest.pending(std::nullopt);
    REQUIRE(answer);
    CHECK(answer->status == 204);
}

TEST_CASE_FIXTURE(Fixture, "each request has its time") {
    const std::vector<std::tuple<const char*, const char*, Json>> early{
        {"PUT", "/boot-source", {{"kernel_image_path", file}}},
        {"PUT", "/machine-config", {{"vcpu_count", 1}, {"mem_size_mib", 128}}},
        {"PUT", "/drives/a", drive("a", false)},
        {"PUT", "/network-interfaces/e", {{"iface_id", "e"}, {"host_dev_name", "t"}}},
        {"PUT", "/vsock", {{"guest_cid", 3}, {"uds_path", directory / "v"}}},
        {"PUT", "/entropy", Json::object()},
        {"PUT", "/balloon", {{"amount_mib", 1}, {"deflate_on_oom", true}}},
        {"PUT", "/logger", {{"level", "Info"}}},
        {"PUT", "/metrics", {{"metrics_path", directory / "m"}}},
        {"PUT", "/serial", Json::object()},
    };
    const std::vector<std::tuple<const char*, const char*, Json>> late{
        {"PATCH", "/vm", {{"state", "Paused"}}},
        {"PATCH", "/drives/a", {{"drive_id", "a"}}},
        {"PATCH", "/network-interfaces/e", {{"iface_id", "e"}}},
        {"PATCH", "/balloon", {{"amount_mib", 2}}},
        {"PUT", "/actions", {{"action_type", "SendCtrlAltDel"}}},
        {"PUT", "/actions", {{"action_type", "FlushMetrics"}}},
        {"GET", "/balloon/statistics", nullptr},
    };
    for (const auto& [method, path, body] : late)
        CHECK_MESSAGE(refusal(method, path, body) == before_start, path);
    for (const auto& [method, path, body] : early)
        CHECK_MESSAGE(ask(method, path, body).status == 204, path);
    start();
    for (const auto& [method, path, body] : early)
        CHECK_MESSAGE(refusal(method, path, body) == after_start, path);
    for (const auto& [method, path, body] : late)
        if (std::string_view(method) != "GET")
            CHECK_MESSAGE(ask(method, path, body).status == 204, path);
}

TEST_CASE_FIXTURE(Fixture, "machine-config is bounded as Firecracker's") {
    const auto with = [](unsigned cpus, uint64_t memory, bool smt) {
        return Json{{"vcpu_count", cpus}, {"mem_size_mib", memory}, {"smt", smt}};
    };
    for (const auto& good : {with(1, 1, false), with(32, 128, false), with(3, 128, false), with(4, 128, true),
                             with(1, 128, true)})
        CHECK(ask("PUT", "/machine-config", good).status == 204);
    for (const auto& bad : {with(0, 128, false), with(33, 128, false), with(3, 128, true), with(1, 0, false)})
        CHECK(refusal("PUT", "/machine-config", bad).starts_with("Machine config error: "));
    CHECK(ask("PUT", "/balloon", {{"amount_mib", 100}, {"deflate_on_oom", true}}).status == 204);
    CHECK(refusal("PATCH", "/machine-config", {{"mem_size_mib", 64}}).find("balloon") != std::string::npos);
    CHECK(refusal("PUT", "/balloon", {{"amount_mib", 1000}, {"deflate_on_oom", true}}) ==
          "Balloon config error: Amount of pages requested is too large.");
    CHECK(Json::parse(ask("GET", "/machine-config").body)["mem_size_mib"] == 128);
}

TEST_CASE_FIXTURE(Fixture, "the root drive comes first, and there is one") {
    CHECK(ask("PUT", "/drives/data", drive("data", false)).status == 204);
    CHECK(ask("PUT", "/drives/root", drive("root", true)).status == 204);
    CHECK(refusal("PUT", "/drives/other", drive("other", true)) ==
          "Drive config error: A root block device already exists!");
    CHECK(ask("PUT", "/drives/root", drive("root", true)).status == 204);
    const auto drives = Json::parse(ask("GET", "/vm/config").body)["drives"];
    REQUIRE(drives.size() == 2);
    CHECK(drives[0]["drive_id"] == "root");
    CHECK(drives[1]["drive_id"] == "data");
}

TEST_CASE_FIXTURE(Fixture, "files and taps that cannot be had are refused when they are named") {
    CHECK(refusal("PUT", "/boot-source", {{"kernel_image_path", directory / "none"}})
              .starts_with("Boot source error: The kernel file cannot be opened: No such file or directory "
                           "(os error 2)"));
    auto missing = drive("a", false);
    missing["path_on_host"] = directory / "none";
    CHECK(refusal("PUT", "/drives/a", missing).find("Error manipulating the backing file") !=
          std::string::npos);
    missing.erase("path_on_host");
    CHECK(refusal("PUT", "/drives/a", missing) ==
          "Drive config error: Unable to create the virtio block device: Invalid block config.");
    guest.failure = Error(ErrorCode::Internal, "attach to tap t: busy");
    CHECK(refusal("PUT", "/network-interfaces/e", {{"iface_id", "e"}, {"host_dev_name", "t"}}) ==
          "Network config error: Could not create the network device: Open tap device failed: attach to tap "
          "t: busy");
    CHECK(refusal("PUT", "/vsock", {{"guest_cid", 3}, {"uds_path", directory / "no/v"}}).find("os error") ==
          std::string::npos);
    CHECK(refusal("PUT", "/vsock", {{"guest_cid", 2}, {"uds_path", directory / "v"}}).find("CID") !=
          std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "two interfaces cannot have one MAC address") {
    const auto with = [](const char* id, const char* tap) {
        return Json{{"iface_id", id}, {"host_dev_name", tap}, {"guest_mac", "06:00:00:00:00:01"}};
    };
    CHECK(ask("PUT", "/network-interfaces/a", with("a", "t0")).status == 204);
    CHECK(ask("PUT", "/network-interfaces/a", with("a", "t0")).status == 204);
    CHECK(refusal("PUT", "/network-interfaces/b", with("b", "t1")) ==
          "Network config error: The MAC address is already in use: 06:00:00:00:00:01");
}

TEST_CASE_FIXTURE(Fixture, "the balloon of a running machine") {
    CHECK(refusal("GET", "/balloon") == "Balloon config error: No balloon device found.");
    CHECK(
        ask("PUT", "/balloon", {{"amount_mib", 1}, {"deflate_on_oom", true}, {"stats_polling_interval_s", 1}})
            .status == 204);
    start();
    CHECK(ask("PATCH", "/balloon", {{"amount_mib", 64}}).status == 204);
    CHECK(guest.calls.back() == "balloon 128 64");
    CHECK(Json::parse(ask("GET", "/balloon").body)["amount_mib"] == 64);
    CHECK(refusal("PATCH", "/balloon", {{"amount_mib", 128}}).find("should be less than 128MiB") !=
          std::string::npos);
    CHECK(ask("PATCH", "/balloon/statistics", {{"stats_polling_interval_s", 5}}).status == 204);
    CHECK(refusal("PATCH", "/balloon/statistics", {{"stats_polling_interval_s", 0}})
              .find("cannot be enabled") != std::string::npos);
    const auto statistics = Json::parse(ask("GET", "/balloon/statistics").body);
    CHECK(statistics["target_mib"] == 64);
    CHECK(statistics["actual_mib"] == 1);
}

TEST_CASE_FIXTURE(Fixture, "drive limits change while it runs, the file does not") {
    CHECK(ask("PUT", "/drives/a", drive("a", false)).status == 204);
    start();
    const Json limiter{{"bandwidth", {{"size", 1000}, {"refill_time", 100}}}};
    CHECK(ask("PATCH", "/drives/a", {{"drive_id", "a"}, {"rate_limiter", limiter}}).status == 204);
    CHECK(guest.calls.back() == "limits a");
    CHECK(refusal("PATCH", "/drives/a", {{"drive_id", "a"}, {"path_on_host", "/other"}})
              .find("cannot exchange") != std::string::npos);
    CHECK(refusal("PATCH", "/drives/b", {{"drive_id", "b"}}).find("no drive of that id") !=
          std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "MMDS is stored and bounded, and never promised to the guest") {
    CHECK(ask("GET", "/mmds").body == "{}");
    CHECK(refusal("PATCH", "/mmds", {{"a", 1}}) == "MMDS error: The MMDS data store is not initialized.");
    CHECK(ask("PUT", "/mmds", {{"a", 1}, {"b", 2}}).status == 204);
    CHECK(ask("PATCH", "/mmds", {{"a", nullptr}, {"c", 3}}).status == 204);
    CHECK(Json::parse(ask("GET", "/mmds").body) == Json{{"b", 2}, {"c", 3}});
    CHECK(ask("PATCH", "/mmds", {{"d", std::string(51000, 'x')}, {"e", std::string(300, 'x')}}).status ==
          413);
    CHECK(refusal("PUT", "/mmds/config", {{"network_interfaces", {"e"}}}).find("cannot show MMDS") !=
          std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "log and metrics are written where the API says") {
    CHECK(ask("PUT", "/logger", {{"log_path", directory / "log"}, {"show_level", true}}).status == 204);
    CHECK(ask("PUT", "/metrics", {{"metrics_path", directory / "metrics"}}).status == 204);
    CHECK(refusal("PUT", "/metrics", {{"metrics_path", directory / "metrics"}}).find("Reinitialization") !=
          std::string::npos);
    records.note_request("PUT", "/x", 400);
    CHECK(read_file(directory / "log").ends_with("[x:ERROR] PUT /x: status 400\n"));
    start();
    CHECK(ask("PUT", "/actions", {{"action_type", "FlushMetrics"}}).status == 204);
    CHECK(Json::parse(read_file(directory / "metrics"))["api_server"]["refusals"] == 1);
}
