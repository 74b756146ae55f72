#include "bus/object_path.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace banger::bus;

TEST_CASE("a name becomes a path that D-Bus allows, and comes back") {
    CHECK(object_path("vm", "0123456789ab") ==
          "/org/banger/Manager1/vm/_30123456789ab"); // a leading digit is escaped
    CHECK(object_path("image", "debian-12.5") == "/org/banger/Manager1/image/debian_2d12_2e5");
    for (const std::string name : {"bookworm", "debian-12.5", "6.1.0-18-cloud-amd64", "a_b", "0", "ä"})
        for (const auto* kind : {"vm", "image", "kernel", "job"})
            CHECK(name_in_path(kind, object_path(kind, name)) == name);
}

TEST_CASE("a path of another kind, or none at all, holds no name") {
    const auto path = object_path("vm", "abc");
    CHECK(name_in_path("image", path).empty());
    for (const std::string text :
         {"", "/", "/org/banger/Manager1", "/org/banger/Manager1/vm", "/org/banger/Manager1/vm/", "vm/abc",
          "/org/banger/Manager1/vm/abc/def", "/org/banger/Manager1/vm/_zz", "/org/banger/Manager1/vmx/abc"})
        CHECK_MESSAGE(name_in_path("vm", text).empty(), text);
}
