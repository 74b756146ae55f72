#include "base/error.hpp"
#include "cli/catalog_list.hpp"
#include "cli/output.hpp"
#include "cli/properties.hpp"
#include "cli/vm_list.hpp"
#include "golden.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::cli;

namespace {

constexpr uint64_t now = 1'700'000'000'000'000;
constexpr uint64_t second = 1'000'000;

bus::Variants vm(const std::string& name, const std::string& state, uint64_t created) {
    return {{"Id", sdbus::Variant{std::string("0123456789abcdef")}},
            {"Name", sdbus::Variant{name}},
            {"State", sdbus::Variant{state}},
            {"Address", sdbus::Variant{std::string("172.30.0.2")}},
            {"Image", sdbus::Variant{std::string("bookworm")}},
            {"Kernel", sdbus::Variant{std::string("6.1.0-cloud")}},
            {"Vcpus", sdbus::Variant{uint32_t{2}}},
            {"MemoryMiB", sdbus::Variant{uint32_t{512}}},
            {"DiskBytes", sdbus::Variant{uint64_t{4} << 30}},
            {"Vmm", sdbus::Variant{std::string("qemu")}},
            {"Pid", sdbus::Variant{uint32_t{state == "running" ? 4711U : 0U}}},
            {"ExitReason", sdbus::Variant{std::string(state == "stopped" ? "panic" : "")}},
            {"ExitDetail",
             sdbus::Variant{std::string(state == "stopped" ? "Kernel panic - not syncing: oops" : "")}},
            {"Nat", sdbus::Variant{true}},
            {"Protected", sdbus::Variant{state == "stopped"}},
            {"Autostart", sdbus::Variant{false}},
            {"AutoStopAfter", sdbus::Variant{uint32_t{state == "running" ? 7200U : 0U}}},
            {"LastActive", sdbus::Variant{state == "created" ? uint64_t{0} : created + 2 * second}},
            {"Ephemeral", sdbus::Variant{false}},
            {"CreatedAt", sdbus::Variant{created}},
            {"StartedAt", sdbus::Variant{state == "created" ? uint64_t{0} : created + second}},
            {"OfALaterVersion", sdbus::Variant{true}}};
}

std::vector<VmInfo> some_vms() {
    return {vm_info(vm("web", "running", now - 90 * second)),
            vm_info(vm("database-of-last-week", "stopped", now - 7 * 86400 * second)),
            vm_info(vm("new", "created", now))};
}

VmListOptions quiet_list() {
    VmListOptions options;
    options.quiet = true;
    return options;
}

} // namespace

TEST_CASE("lists of VMs") {
    CHECK(vm_listing(some_vms(), {}, Format::Table, now) ==
          golden("vms.txt", vm_listing(some_vms(), {}, Format::Table, now)));
    CHECK(vm_listing(some_vms(), {}, Format::Json, now) ==
          golden("vms.json", vm_listing(some_vms(), {}, Format::Json, now)));
    CHECK(vm_listing(some_vms(), {}, Format::Yaml, now) ==
          golden("vms.yaml", vm_listing(some_vms(), {}, Format::Yaml, now)));
    CHECK(vm_listing(some_vms(), quiet_list(), Format::Table, now) == "web\ndatabase-of-last-week\nnew\n");
}

TEST_CASE("lists without headings") {
    VmListOptions options;
    options.no_header = true;
    const auto text = vm_listing(some_vms(), {}, Format::Table, now);
    CHECK(vm_listing(some_vms(), options, Format::Table, now) == text.substr(text.find('\n') + 1));
}

TEST_CASE("filters: any value of one key, each of several keys") {
    const auto names = [](const std::vector<std::string>& filters) {
        auto options = quiet_list();
        options.filters = filters;
        return vm_listing(some_vms(), options, Format::Table, now);
    };
    CHECK(names({"state=running"}) == "web\n");
    CHECK(names({"state=running", "state=created"}) == "web\nnew\n");
    CHECK(names({"state=running", "name=n*"}).empty());
    CHECK(names({"name=*e*", "image=bookworm"}) == "web\ndatabase-of-last-week\nnew\n");
    CHECK(names({"exit-reason=panic"}) == "database-of-last-week\n");
    CHECK(names({"nat=true", "name=we?"}) == "web\n");
    CHECK_THROWS_WITH_AS(names({"sate=running"}), "unknown filter 'sate'", Error);
    CHECK_THROWS_WITH_AS(names({"running"}), "--filter: 'running' has no value", Error);
}

TEST_CASE("a filter by state looks at all states") {
    VmListOptions options;
    options.filters = {"name=new"};
    CHECK(choose(some_vms(), options).size() == 1);
    options.filters = {"state=created"};
    CHECK(choose(some_vms(), options).size() == 3);
}

TEST_CASE("empty lists are a heading, and an empty array") {
    CHECK(vm_listing({}, {}, Format::Table, now) ==
          "NAME  STATE  IMAGE  ADDRESS  CPUS  MEMORY  UPTIME  CREATED\n");
    CHECK(vm_listing({}, {}, Format::Json, now) == "[]\n");
    CHECK(vm_listing({}, {}, Format::Yaml, now) == "[]\n");
    CHECK(vm_listing({}, quiet_list(), Format::Table, now).empty());
}

TEST_CASE("which VMs a list shows") {
    CHECK(choose(some_vms(), {}).size() == 1);
    CHECK(choose(some_vms(), {}).front().name == "web");
    VmListOptions all;
    all.all = true;
    CHECK(choose(some_vms(), all).size() == 3);
    VmListOptions latest;
    latest.latest = true;
    CHECK(choose(some_vms(), latest).size() == 1);
    CHECK(choose(some_vms(), latest).front().name == "new");
    CHECK(choose({}, latest).empty());
    CHECK(vm_info(vm("x", "a-state-of-a-later-version", now)).active());
    CHECK(vm_info(vm("x", "stopping", now)).active());
}

TEST_CASE("all about a VM") {
    const auto text = vm_description(some_vms()[0], now);
    CHECK(text == golden("vm.txt", text));
    const auto ended = vm_description(some_vms()[1], now);
    CHECK(ended == golden("vm_ended.txt", ended));
}

TEST_CASE("properties that are missing or of another type are empty") {
    const auto none = vm_info({{"Name", sdbus::Variant{uint32_t{5}}}});
    CHECK(none.name.empty());
    CHECK(none.memory_mib == 0);
    CHECK(vm_json(none)["created_at"].is_null());
}

TEST_CASE("lists of kernels and images") {
    const std::vector<bus::Variants> kernels{
        {{"Name", sdbus::Variant{std::string("6.1.0-cloud")}},
         {"Version", sdbus::Variant{std::string("6.1.0-41-cloud-amd64")}},
         {"Format", sdbus::Variant{std::string("vmlinux")}},
         {"Size", sdbus::Variant{uint64_t{48} << 20}},
         {"CreatedAt", sdbus::Variant{now - 3600 * second}}}};
    CHECK(kernel_listing(kernels, {}, Format::Table, now) ==
          golden("kernels.txt", kernel_listing(kernels, {}, Format::Table, now)));
    CHECK(kernel_listing(kernels, {}, Format::Json, now) ==
          golden("kernels.json", kernel_listing(kernels, {}, Format::Json, now)));
    CHECK(kernel_listing(kernels, quiet_list(), Format::Table, now) == "6.1.0-cloud\n");
    const std::vector<bus::Variants> images{{{"Name", sdbus::Variant{std::string("bookworm")}},
                                             {"Size", sdbus::Variant{uint64_t{400} << 20}},
                                             {"VirtualSize", sdbus::Variant{uint64_t{2} << 30}},
                                             {"Source", sdbus::Variant{std::string("built from bookworm")}},
                                             {"CreatedAt", sdbus::Variant{now - 3600 * second}}}};
    CHECK(image_listing(images, {}, Format::Table, now) ==
          golden("images.txt", image_listing(images, {}, Format::Table, now)));
    CHECK(image_listing(images, {}, Format::Yaml, now) ==
          golden("images.yaml", image_listing(images, {}, Format::Yaml, now)));
    CHECK_THROWS_AS(quiet_list().check(Format::Json), Error);
    CHECK_NOTHROW(quiet_list().check(Format::Table));
}

TEST_CASE("a cell cannot break its row or the terminal") {
    Table table({"A", "B"});
    table.add({"x\ny", "\x1b[31m"});
    table.add({"", "z"});
    CHECK(table.text() == "A    B\nx?y  ?[31m\n-    z\n");
}

TEST_CASE("YAML nests and quotes") {
    const Json data{{"list", {1, "two: 2", nullptr, {{"a", true}, {"b", Json::array()}}}},
                    {"empty", Json::object()}};
    CHECK(structured(data, Format::Yaml) ==
          "list:\n  - 1\n  - \"two: 2\"\n  - null\n  - a: true\n    b: []\nempty: {}\n");
}

TEST_CASE("YAML escapes what it cannot hold, and quotes keys that mean something") {
    CHECK(structured({{"x", "del\x7f c1\xC2\x9B nel\xC2\x85 ls\xE2\x80\xA8 bom\xEF\xBB\xBF ä€😀"}},
                     Format::Yaml) == "x: \"del\\x7F c1\\x9B nel\\x85 ls\\u2028 bom\\uFEFF ä€😀\"\n");
    CHECK(structured({{"no", 1}, {"a b", 2}, {"plain_key", 3}}, Format::Yaml) ==
          "\"no\": 1\n\"a b\": 2\nplain_key: 3\n");
}

TEST_CASE("times as people say them") {
    CHECK(age(0, now).empty());
    CHECK(age(now, now) == "a moment ago");
    CHECK(age(now + second, now) == "a moment ago");
    CHECK(age(now - second, now) == "1 second ago");
    CHECK(age(now - 59 * second, now) == "59 seconds ago");
    CHECK(age(now - 119 * second, now) == "1 minute ago");
    CHECK(age(now - 3600 * second, now) == "1 hour ago");
    CHECK(age(now - 47 * 3600 * second, now) == "47 hours ago");
    CHECK(age(now - 13 * 86400 * second, now) == "13 days ago");
    CHECK(age(now - 59 * 86400 * second, now) == "8 weeks ago");
    CHECK(age(now - 800 * 86400 * second, now) == "2 years ago");
}

TEST_CASE("bytes that are not UTF-8 do not stop JSON") {
    CHECK(structured({{"x", "a\xFFz"}}, Format::Json) == "{\n  \"x\": \"a\xEF\xBF\xBDz\"\n}\n");
}

TEST_CASE("formats") {
    CHECK(parse_format("json") == Format::Json);
    CHECK(parse_format("yaml") == Format::Yaml);
    CHECK(parse_format("table") == Format::Table);
    CHECK_THROWS_AS(parse_format("xml"), Error);
}
