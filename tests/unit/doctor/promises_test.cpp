#include "base/error.hpp"
#include "doctor/doctor.hpp"
#include "doctor/promises.hpp"
#include "install/metadata.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace banger;
using namespace banger::doctor;

namespace {

using Filter = sdbus::Struct<bool, std::vector<std::string>>;

bool tells(const Comparison& comparison, const std::string& part) {
    return std::any_of(comparison.broken.begin(), comparison.broken.end(),
                       [&](const auto& text) { return text.find(part) != text.npos; });
}

} // namespace

TEST_CASE("the settings of a unit's service") {
    const auto settings = service_settings("[Unit]\nA=1\n[Service]\n# B=2\nC=3\nD=\nE=a=b\n[Install]\nF=6\n");
    const std::vector<std::pair<std::string, std::string>> expected{{"C", "3"}, {"D", ""}, {"E", "a=b"}};
    CHECK(settings == expected);
}

TEST_CASE("the helper's capabilities are these eleven and nothing else") {
    std::string named;
    for (const auto& [key, value] : service_settings(install::render_helper_unit("/usr/bin")))
        if (key == "CapabilityBoundingSet")
            named = value;
    CHECK(named ==
          "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_MKNOD CAP_NET_ADMIN CAP_NET_RAW CAP_SETGID "
          "CAP_SETUID CAP_SYS_ADMIN CAP_SYS_CHROOT");
    CHECK(capability_mask(named) == 0x82430eb);
    CHECK(capability_mask("") == 0);
    CHECK_THROWS_AS(capability_mask("CAP_SYS_PTRACE"), Error);
}

TEST_CASE("promises are compared with what is in force") {
    const std::string unit =
        "[Service]\nNoNewPrivileges=yes\nProtectSystem=strict\nCapabilityBoundingSet=CAP_CHOWN\n"
        "RestrictNamespaces=yes\nUMask=0077\nRestrictAddressFamilies=AF_UNIX AF_NETLINK\n"
        "SystemCallArchitectures=native\nSystemCallFilter=@system-service\nExecStart=/bin/true\n";
    bus::Variants good{
        {"NoNewPrivileges", sdbus::Variant{true}},
        {"ProtectSystem", sdbus::Variant{std::string("strict")}},
        {"CapabilityBoundingSet", sdbus::Variant{uint64_t{1}}},
        {"RestrictNamespaces", sdbus::Variant{uint64_t{0}}},
        {"UMask", sdbus::Variant{uint32_t{077}}},
        {"RestrictAddressFamilies",
         sdbus::Variant{Filter{true, std::vector<std::string>{"AF_NETLINK", "AF_UNIX"}}}},
        {"SystemCallArchitectures", sdbus::Variant{std::vector<std::string>{"native"}}},
        {"SystemCallFilter", sdbus::Variant{Filter{true, std::vector<std::string>{"read", "write"}}}}};
    const auto fine = compare_promises(unit, good);
    CHECK(fine.broken.empty());
    CHECK(fine.kept.size() == 8);

    auto bad = good;
    bad["NoNewPrivileges"] = sdbus::Variant{false};
    bad["CapabilityBoundingSet"] = sdbus::Variant{uint64_t{0x200001}};
    bad["SystemCallFilter"] = sdbus::Variant{Filter{true, std::vector<std::string>{"read", "mount"}}};
    bad["RestrictAddressFamilies"] =
        sdbus::Variant{Filter{false, std::vector<std::string>{"AF_NETLINK", "AF_UNIX"}}};
    bad.erase("ProtectSystem");
    const auto broken = compare_promises(unit, bad);
    CHECK(broken.broken.size() == 5);
    CHECK(tells(broken, "NoNewPrivileges= is no, not yes"));
    CHECK(tells(broken, "CapabilityBoundingSet= is CAP_CHOWN CAP_SYS_ADMIN, not CAP_CHOWN"));
    CHECK(tells(broken, "allows mount"));
    CHECK(compare_promises(unit, {}).broken.size() == 8);
}

TEST_CASE("the worst of the checks") {
    CHECK(worst({}) == Verdict::Pass);
    CHECK(worst({{"a", Verdict::Info, ""}, {"b", Verdict::Warn, ""}, {"c", Verdict::Pass, ""}}) ==
          Verdict::Warn);
    CHECK(verdict_name(Verdict::Fail) == "FAIL");
}
