#include "base/names.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <set>

using namespace banger;
using test::code_of;
using test::error_of;

namespace {

const std::string refused = "InvalidArgument";

/// What no name of any kind may be.
const std::string never[] = {
    "",      " ",   "..", "../x", "/", "a/b", "a b", "a\nb", "a\tb", "ä", std::string("a\0b", 3),
    "$(id)", "a;b", "-rf"};

} // namespace

TEST_CASE("VM ids are 12 to 32 of a-z and 0-9") {
    CHECK(VmId::parse("0123456789ab").str() == "0123456789ab");
    CHECK(VmId::parse(std::string(32, 'z')).str().size() == 32);
    CHECK(code_of([] { VmId::parse("0123456789a"); }) == refused);
    CHECK(code_of([] { VmId::parse(std::string(33, 'a')); }) == refused);
    CHECK(code_of([] { VmId::parse("0123456789aB"); }) == refused);
    CHECK(code_of([] { VmId::parse("0123456789a-"); }) == refused);
    for (const auto& text : never)
        CHECK(code_of([&] { VmId::parse(text); }) == refused);
    CHECK(code_of([] { VmId::parse("../../../../etc/x"); }) == refused);
}

TEST_CASE("made VM ids parse and differ") {
    std::set<VmId> seen;
    for (int i = 0; i < 100; ++i) {
        const auto id = VmId::make();
        CHECK(VmId::parse(id.str()) == id);
        seen.insert(id);
    }
    CHECK(seen.size() == 100);
}

TEST_CASE("DNS labels: RFC 1123") {
    for (const auto* text : {"a", "0", "box", "a-b", "x--y", "3com"})
        CHECK(DnsLabel::parse(text, "VM name").str() == text);
    CHECK(DnsLabel::parse(std::string(63, 'a'), "VM name").str().size() == 63);
    for (const auto& text : never)
        CHECK(code_of([&] { DnsLabel::parse(text, "VM name"); }) == refused);
    for (const auto* text : {"-a", "a-", "A", "a.b", "a_b"})
        CHECK(code_of([&] { DnsLabel::parse(text, "VM name"); }) == refused);
    CHECK(code_of([] { DnsLabel::parse(std::string(64, 'a'), "VM name"); }) == refused);
}

TEST_CASE("a refusal names the noun, shows the text without control characters, and says what is allowed") {
    const auto error = error_of([] { DnsLabel::parse("bad\x1b[31m name", "VM name"); });
    REQUIRE(error);
    CHECK(error->message().find("VM name") != std::string::npos);
    CHECK(error->message().find('\x1b') == std::string::npos);
    CHECK_FALSE(error->hint().empty());
    const auto lengthy = error_of([] { DnsLabel::parse(std::string(100'000, 'x'), "VM name"); });
    REQUIRE(lengthy);
    CHECK(lengthy->message().size() < 200);
}

TEST_CASE("store names are never paths") {
    for (const auto* text : {"bookworm", "debian-12.5", "6.1.0-18-cloud-amd64", "a_b", "0"})
        CHECK(StoreName::parse(text, "image name").str() == text);
    for (const auto& text : never)
        CHECK(code_of([&] { StoreName::parse(text, "image name"); }) == refused);
    for (const auto* text : {".", ".hidden", "_x", "-x", "UPPER"})
        CHECK(code_of([&] { StoreName::parse(text, "image name"); }) == refused);
    CHECK(code_of([] { StoreName::parse(std::string(129, 'a'), "image name"); }) == refused);
}

TEST_CASE("bridge names are banger's only, and fit an interface name") {
    for (const auto* text : {"br-fc", "br-fc-3e8", "br-fc-a-b", "br-fc-123456789"})
        CHECK(BridgeName::parse(text).str() == text);
    for (const auto& text : never)
        CHECK(code_of([&] { BridgeName::parse(text); }) == refused);
    for (const auto* text : {"br0", "eth0", "lo", "br-f", "br-fcx", "br-fc-", "br-fc-A", "br-fc-a.b",
                             "xbr-fc-a", "br-fc-1234567890", "br-fc-a/b"})
        CHECK(code_of([&] { BridgeName::parse(text); }) == refused);
}

TEST_CASE("tap names are those that the helper makes") {
    CHECK(TapName::parse("btap-0123456789").str() == "btap-0123456789");
    for (const auto* text : {"btap-012345678", "btap-01234567890", "btap-012345678g", "btap-012345678A",
                             "tap0", "xtap-0123456789"})
        CHECK(code_of([&] { TapName::parse(text); }) == refused);
}

TEST_CASE("signals: the allowlist, in any spelling, and nothing else") {
    CHECK(SignalName::parse("TERM").number() == SIGTERM);
    CHECK(SignalName::parse("SIGKILL").number() == SIGKILL);
    CHECK(SignalName::parse("sigusr1").number() == SIGUSR1);
    CHECK(SignalName::parse("int").str() == "INT");
    for (const auto* text : {"HUP", "QUIT", "USR2", "ABRT"})
        CHECK(SignalName::parse(text).number() > 0);
    for (const auto* text :
         {"", "SIG", "STOP", "CONT", "SEGV", "9", "0", "-9", "TERM ", "SIGSIGTERM", "TERMINATE"})
        CHECK(code_of([&] { SignalName::parse(text); }) == refused);
    CHECK(code_of([] { SignalName::parse(std::string("TERM\0X", 6)); }) == refused);
}
