#include "base/fd.hpp"
#include "base/log.hpp"
#include "base/op_id.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>

using namespace banger;
using test::code_of;

namespace {

/// What `body` prints on standard error.
std::string errors_of(const std::function<void()>& body) {
    auto [read_end, write_end] = make_pipe();
    const OwnedFd before(::dup(STDERR_FILENO));
    ::dup2(write_end.get(), STDERR_FILENO);
    body();
    ::dup2(before.get(), STDERR_FILENO);
    write_end.reset();
    return read_all(read_end.get(), 1 << 20, "standard error");
}

void open_to_stderr() {
    ::setenv("BANGER_LOG_TARGET", "stderr", 1);
    log::open("banger-test");
    log::set_level(log::Level::Info);
}

} // namespace

TEST_CASE("an entry is one line with its operation and fields") {
    open_to_stderr();
    const OpScope scope(std::string(32, 'a'));
    const auto text = errors_of([] { log::warning("tap is gone", {{"VM_ID", "0123456789ab"}}); });
    CHECK(text ==
          "banger-test: warning: tap is gone OP_ID=" + std::string(32, 'a') + " VM_ID=0123456789ab\n");
}

TEST_CASE("foreign text cannot forge a second entry") {
    open_to_stderr();
    const auto text = errors_of([] { log::error("name\nbanger-test: info: all is well", {{"X", "a\nb"}}); });
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("below the level nothing is written, and the level has names") {
    open_to_stderr();
    CHECK(errors_of([] { log::debug("routine"); }).empty());
    log::set_level(log::parse_level("debug"));
    CHECK_FALSE(errors_of([] { log::debug("routine"); }).empty());
    for (const auto* name : {"error", "warning", "notice", "info", "debug"})
        CHECK(log::level_name(log::parse_level(name)) == name);
    CHECK(code_of([] { log::parse_level("loud"); }) == "InvalidArgument");
}
