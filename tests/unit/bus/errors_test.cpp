#include "../base/scratch.hpp"
#include "base/op_id.hpp"
#include "bus/errors.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace banger;
using bus::ErrorName;

namespace {

std::string code_from(const std::string& dbus_name) {
    return std::string(error_kind(bus::from_bus(sdbus::Error(ErrorName(dbus_name), "text")).code()).name);
}

/// The sdbus::Error that `body` ends in as a method handler.
sdbus::Error answered(const std::function<void()>& body) {
    try {
        bus::answer(body);
    } catch (const sdbus::Error& error) {
        return error;
    }
    FAIL("answered without an error");
    return sdbus::Error(ErrorName("none"), "");
}

} // namespace

TEST_CASE("an error keeps all that it knows over the bus, and gets the operation it belongs to") {
    const OpScope scope(std::string(32, 'a'));
    Error error(ErrorCode::Timeout, "the guest was not ready", "look at its console");
    error.at_step("boot").with_details("one\ntwo");
    const auto back = bus::from_bus(bus::to_bus(error));
    CHECK(back.code() == ErrorCode::Timeout);
    CHECK(back.message() == error.message());
    CHECK(back.hint() == error.hint());
    CHECK(back.step() == "boot");
    CHECK(back.details() == "one\ntwo");
    CHECK(back.op_id() == std::string(32, 'a'));
}

TEST_CASE("the bus's own errors by their meaning") {
    const std::string prefix = "org.freedesktop.DBus.Error.";
    CHECK(code_from(prefix + "ServiceUnknown") == "Unavailable");
    CHECK(code_from(prefix + "NameHasNoOwner") == "Unavailable");
    CHECK(code_from(prefix + "AccessDenied") == "NotAuthorized");
    CHECK(code_from(prefix + "InteractiveAuthorizationRequired") == "NotAuthorized");
    CHECK(code_from(prefix + "NoReply") == "Timeout");
    CHECK(code_from(prefix + "UnknownObject") == "NotFound");
    CHECK(code_from(prefix + "UnknownMethod") == "Unsupported");
    CHECK(code_from(prefix + "InvalidArgs") == "InvalidArgument");
    CHECK(code_from(prefix + "LimitsExceeded") == "Busy");
    CHECK(code_from("System.Error.ENOENT") == "Unavailable");
    CHECK(code_from("System.Error.ETIMEDOUT") == "Timeout");
    CHECK(code_from(prefix + "Invented") == "Internal");
    CHECK(code_from("org.example.Whatever") == "Internal");
    CHECK(code_from("org.banger.Error.FromTheFuture") == "Internal");
}

TEST_CASE("whatever a handler throws leaves it as an error of the bus") {
    CHECK(bus::text_of(answered([] { throw Error(ErrorCode::Busy, "busy"); }).getName()) ==
          "org.banger.Error.Busy");
    const auto foreign = answered([] { throw std::runtime_error("broken"); });
    CHECK(bus::text_of(foreign.getName()) == "org.banger.Error.Internal");
    CHECK(bus::text_of(foreign.getMessage()) == "broken");
    CHECK(bus::text_of(answered([] { throw 7; }).getName()) == "org.banger.Error.Internal");
}

TEST_CASE("a client's call ends in an Error, or in its value") {
    const auto call = [] {
        bus::call([] {
            throw sdbus::Error(ErrorName("org.banger.Error.NotFound"), "no VM is called box\nhint: look");
        });
    };
    const auto error = test::error_of(call);
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::NotFound);
    CHECK(error->hint() == "look");
    CHECK(bus::call([] { return 7; }) == 7);
}
