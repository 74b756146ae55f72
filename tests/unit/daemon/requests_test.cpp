#include "bus/options.hpp"
#include "daemon/catalog_work.hpp"
#include "daemon/host.hpp"
#include "daemon/requests.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::daemon;

namespace {

constexpr uint64_t host = 8192;

template <class... Pairs>
bus::Options options(Pairs&&... pairs) {
    bus::Variants values;
    (values.insert(std::forward<Pairs>(pairs)), ...);
    return bus::Options(std::move(values));
}
template <class T>
std::pair<std::string, sdbus::Variant> with(const std::string& key, T value) {
    return {key, sdbus::Variant{value}};
}

template <class... Pairs>
CreateRequest create(Pairs&&... pairs) {
    auto given = options(std::forward<Pairs>(pairs)...);
    return parse_create(given, host);
}

template <class... Pairs>
ErrorCode refusal(Pairs&&... pairs) {
    try {
        create(std::forward<Pairs>(pairs)...);
    } catch (const Error& error) {
        CHECK_FALSE(error.message().empty());
        return error.code();
    }
    FAIL("accepted");
    return ErrorCode::Internal;
}

} // namespace

TEST_CASE("what is not asked for has its default") {
    const auto request = create();
    CHECK_FALSE(request.name);
    CHECK_FALSE(request.image);
    CHECK(request.vcpus == 2);
    CHECK(request.memory_mib == 512);
    CHECK(request.disk_bytes == uint64_t{4} << 30);
    CHECK_FALSE(request.start);
    CHECK(request.nat);
    CHECK(request.vmm == "auto");
    CHECK(request.ready_timeout.count() == 120'000);
}

TEST_CASE("all that can be asked for") {
    const auto request = create(
        with("name", std::string("box")), with("image", std::string("bookworm")),
        with("kernel", std::string("6.1.0-cloud")), with("vcpus", uint32_t{32}),
        with("memory-mib", uint32_t{8192}), with("disk-bytes", uint64_t{1} << 40), with("start", true),
        with("nat", false), with("ephemeral", true), with("tied", true), with("vmm", std::string("null")),
        with("null-mode", std::string("never-ready")), with("ready-timeout-ms", uint32_t{5}));
    CHECK(request.name->str() == "box");
    CHECK(request.vcpus == 32);
    CHECK(request.memory_mib == 8192);
    CHECK_FALSE(request.nat);
    CHECK(request.tied);
    CHECK(request.null_mode == "never-ready");
    CHECK(request.ready_timeout.count() == 5);
}

TEST_CASE("what is refused") {
    CHECK(refusal(with("name", std::string("Bad_Name"))) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("name", std::string(64, 'a'))) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("name", uint32_t{3})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("image", std::string("../etc"))) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("vcpus", uint32_t{0})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("vcpus", uint32_t{33})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("memory-mib", uint32_t{15})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("memory-mib", uint32_t{8193})) == ErrorCode::FailedPrecondition);
    CHECK(refusal(with("disk-bytes", uint64_t{1})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("disk-bytes", ~uint64_t{0})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("vmm", std::string("xen"))) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("null-mode", std::string("never-ready"))) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("vmm", std::string("null")), with("null-mode", std::string("x"))) ==
          ErrorCode::InvalidArgument);
    CHECK(refusal(with("ready-timeout-ms", uint32_t{0})) == ErrorCode::InvalidArgument);
    CHECK(refusal(with("colour", std::string("red"))) == ErrorCode::InvalidArgument);
}

TEST_CASE("too much memory names both numbers") {
    try {
        create(with("memory-mib", uint32_t{9000}));
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.message().find("9000") != std::string::npos);
        CHECK(error.message().find("8192") != std::string::npos);
    }
}

TEST_CASE("a kernel is imported from exactly one source") {
    auto package = options(with("package", std::string("linux-image-cloud-amd64")));
    CHECK(parse_kernel_wish(package).package == "linux-image-cloud-amd64");
    auto none = options();
    CHECK_THROWS_AS(parse_kernel_wish(none), Error);
    auto path = options(with("package", std::string("../x")));
    CHECK_THROWS_AS(parse_kernel_wish(path), Error);
    auto option = options(with("package", std::string("-oX=y")));
    CHECK_THROWS_AS(parse_kernel_wish(option), Error);
}

TEST_CASE("an image needs a suite, and is named after it") {
    auto plain = options(with("suite", std::string("bookworm")));
    const auto request = parse_build(plain);
    CHECK(request.name == "bookworm");
    CHECK(request.suite == "bookworm");
    auto none = options();
    CHECK_THROWS_AS(parse_build(none), Error);
    auto small = options(with("suite", std::string("bookworm")), with("size-bytes", uint64_t{1}));
    CHECK_THROWS_AS(parse_build(small), Error);
}

TEST_CASE("KVM counts only where the CPU says so") {
    CHECK(has_virtualization("processor: 0\nflags\t\t: fpu vmx sse\nbugs: none\n"));
    CHECK(has_virtualization("processor: 0\nflags\t\t: fpu sse svm\n"));
    CHECK_FALSE(has_virtualization("processor: 0\nflags\t\t: fpu svm_lock avmx sse\nbugs: svm\n"));
    CHECK_FALSE(has_virtualization(""));
}

TEST_CASE("what is to be set is bounded, and must be something") {
    const auto set = [](auto&&... pairs) {
        auto given = options(std::forward<decltype(pairs)>(pairs)...);
        return parse_set(given, host);
    };
    const auto wanted = set(with("vcpus", 4U), with("nat", false));
    CHECK(wanted.vcpus == 4U);
    CHECK(wanted.nat == false);
    CHECK_FALSE(wanted.memory_mib);
    CHECK(wanted.needs_rest());
    CHECK_FALSE(set(with("protected", true)).needs_rest());
    CHECK_THROWS_AS(set(), Error);
    CHECK_THROWS_AS(set(with("vcpus", 33U)), Error);
    CHECK_THROWS_AS(set(with("memory-mib", 15U)), Error);
    CHECK_THROWS_AS(set(with("memory-mib", 8193U)), Error);
    CHECK_THROWS_AS(set(with("disk-bytes", uint64_t{1})), Error);
    CHECK_THROWS_AS(set(with("name", std::string("x"))), Error);
}

TEST_CASE("which states a caller waits for") {
    const auto wait = [](auto&&... pairs) {
        auto given = options(std::forward<decltype(pairs)>(pairs)...);
        return parse_wait(given);
    };
    CHECK(wait().meets(VmState::Failed));
    CHECK_FALSE(wait().meets(VmState::Running));
    CHECK_FALSE(wait().timeout);
    const auto named =
        wait(with("until", std::vector<std::string>{"running", "paused"}), with("timeout-ms", 5U));
    CHECK(named.meets(VmState::Paused));
    CHECK_FALSE(named.meets(VmState::Stopped));
    CHECK(named.timeout == std::chrono::milliseconds(5));
    CHECK_THROWS_AS(wait(with("until", std::vector<std::string>{"asleep"})), Error);
    CHECK_THROWS_AS(wait(with("until", std::vector<std::string>{})), Error);
}
