#include "base/error.hpp"
#include "cli/output.hpp"
#include "cli/store_list.hpp"
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
            {"ExitReason", sdbus::Variant{std::string(state == "stopped" ? "guest-shutdown" : "")}},
            {"Nat", sdbus::Variant{true}},
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

} // namespace

TEST_CASE("lists of VMs") {
    CHECK(vm_listing(some_vms(), {}, Format::Table, now) ==
          golden("vms.txt", vm_listing(some_vms(), {}, Format::Table, now)));
    CHECK(vm_listing(some_vms(), {}, Format::Json, now) ==
          golden("vms.json", vm_listing(some_vms(), {}, Format::Json, now)));
    CHECK(vm_listing(some_vms(), {}, Format::Yaml, now) ==
          golden("vms.yaml", vm_listing(some_vms(), {}, Format::Yaml, now)));
    CHECK(vm_listing(some_vms(), {.quiet = true}, Format::Table, now) == "web\ndatabase-of-last-week\nnew\n");
}

TEST_CASE("empty lists are a heading, and an empty array") {
    CHECK(vm_listing({}, {}, Format::Table, now) == "NAME  STATE  IMAGE  ADDRESS  CPUS  MEMORY  CREATED\n");
    CHECK(vm_listing({}, {}, Format::Json, now) == "[]\n");
    CHECK(vm_listing({}, {}, Format::Yaml, now) == "[]\n");
    CHECK(vm_listing({}, {.quiet = true}, Format::Table, now).empty());
}

TEST_CASE("which VMs a list shows") {
    CHECK(choose(some_vms(), {}).size() == 1);
    CHECK(choose(some_vms(), {}).front().name == "web");
    CHECK(choose(some_vms(), {.all = true}).size() == 3);
    CHECK(choose(some_vms(), {.latest = true}).size() == 1);
    CHECK(choose(some_vms(), {.latest = true}).front().name == "new");
    CHECK(choose({}, {.latest = true}).empty());
    CHECK(vm_info(vm("x", "a-state-of-a-later-version", now)).active());
    CHECK(vm_info(vm("x", "stopping", now)).active());
}

TEST_CASE("all about a VM") {
    const auto text = vm_description(some_vms()[0], now);
    CHECK(text == golden("vm.txt", text));
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
    CHECK(kernel_listing(kernels, false, Format::Table, now) ==
          golden("kernels.txt", kernel_listing(kernels, false, Format::Table, now)));
    CHECK(kernel_listing(kernels, false, Format::Json, now) ==
          golden("kernels.json", kernel_listing(kernels, false, Format::Json, now)));
    CHECK(kernel_listing(kernels, true, Format::Table, now) == "6.1.0-cloud\n");
    const std::vector<bus::Variants> images{{{"Name", sdbus::Variant{std::string("bookworm")}},
                                             {"Size", sdbus::Variant{uint64_t{400} << 20}},
                                             {"VirtualSize", sdbus::Variant{uint64_t{2} << 30}},
                                             {"Source", sdbus::Variant{std::string("built from bookworm")}},
                                             {"CreatedAt", sdbus::Variant{now - 3600 * second}}}};
    CHECK(image_listing(images, false, Format::Table, now) ==
          golden("images.txt", image_listing(images, false, Format::Table, now)));
    CHECK(image_listing(images, false, Format::Yaml, now) ==
          golden("images.yaml", image_listing(images, false, Format::Yaml, now)));
    CHECK_THROWS_AS(refuse_quiet_format(true, Format::Json), Error);
    CHECK_NOTHROW(refuse_quiet_format(true, Format::Table));
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

TEST_CASE("bytes that are not UTF-8 do not stop JSON") {
    CHECK(structured({{"x", "a\xFFz"}}, Format::Json) == "{\n  \"x\": \"a\xEF\xBF\xBDz\"\n}\n");
}

TEST_CASE("formats") {
    CHECK(parse_format("json") == Format::Json);
    CHECK(parse_format("yaml") == Format::Yaml);
    CHECK(parse_format("table") == Format::Table);
    CHECK_THROWS_AS(parse_format("xml"), Error);
}
