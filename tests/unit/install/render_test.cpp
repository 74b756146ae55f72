#include "base/error.hpp"
#include "install/metadata.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::install;

namespace {

Metadata owned_by(std::vector<Owner> owners) {
    Metadata metadata;
    metadata.version = "0.1.0";
    metadata.owners = std::move(owners);
    return metadata;
}

size_t count(const std::string& text, const std::string& what) {
    size_t n = 0;
    for (size_t at = 0; (at = text.find(what, at)) != text.npos; at += what.size())
        ++n;
    return n;
}

} // namespace

TEST_CASE("bus policy: one section for each owner, nothing left to fill in") {
    const auto two = render_bus_policy(owned_by({{"alice", 1000, 1000}, {"bob", 1001, 1001}}));
    CHECK(count(two, "<policy user=\"alice\">") == 1);
    CHECK(count(two, "<policy user=\"bob\">") == 1);
    CHECK(count(two, "org.banger.Helper1.Machine") == 2);
    CHECK(count(two, "<allow own=") == 1);
    CHECK(count(two, "@") == 0);
    CHECK(count(two, "</busconfig>") == 1);
}

TEST_CASE("bus policy without owners allows nobody but root, and root no privileged interface") {
    const auto none = render_bus_policy(owned_by({}));
    CHECK(count(none, "<policy ") == 2);
    CHECK(count(none, "org.banger.Helper1.Machine") == 0);
    CHECK(count(none, "<deny send_destination=\"org.banger.Helper1\"") == 1);
}

TEST_CASE("polkit rules list the owners") {
    CHECK(count(render_polkit_rules(owned_by({{"a", 5, 5}, {"b@c.d", 6, 6}})), "[\"a\", \"b@c.d\"]") == 1);
    CHECK(count(render_polkit_rules(owned_by({})), "[]") == 1);
}

TEST_CASE("polkit policy: five actions, none of them free") {
    const auto policy = render_polkit_policy();
    CHECK(count(policy, "<action id=\"org.banger.helper.") == 5);
    CHECK(count(policy, "<allow_any>auth_admin</allow_any>") == 5);
    CHECK(count(policy, "<allow_inactive>auth_admin</allow_inactive>") == 5);
    CHECK(count(policy, "<allow_active>auth_admin_keep</allow_active>") == 5);
    CHECK(count(policy, ">yes<") == 0);
}

TEST_CASE("activation files") {
    const auto unit = render_helper_activation("/usr/bin", true);
    CHECK(count(unit, "Exec=/usr/bin/banger helper\n") == 1);
    CHECK(count(unit, "User=root\n") == 1);
    CHECK(count(unit, "SystemdService=banger-helper.service\n") == 1);
    const auto plain = render_manager_activation("/opt/b", false);
    CHECK(plain == "[D-BUS Service]\nName=org.banger.Manager1\nExec=/opt/b/banger daemon\n");
    for (const char* bad : {"", "bin", "/a b", "/a\"b", "/a\nb", "/a$b", "/a\\b"})
        CHECK_THROWS_AS(render_helper_activation(bad, true), Error);
}
