#include "cli/report.hpp"
#include "golden.hpp"

#include <doctest/doctest.h>

using namespace banger;
using namespace banger::cli;

namespace {

Error full_error() {
    Error error(ErrorCode::Timeout, "the guest was not ready after 120 s",
                "give it longer: --ready-timeout 5m");
    error.at_step("boot").with_details("[    1.0] Kernel panic\n\x1b[31m[    1.1] end\x1b[0m");
    error.in_operation("0123456789abcdef0123456789abcdef");
    return error;
}

} // namespace

TEST_CASE("errors for people") {
    const auto text = error_text(full_error(), Format::Table);
    CHECK(text == golden("error.txt", text));
    CHECK(text.find('\x1b') == text.npos);
}

TEST_CASE("errors for programs are one line of JSON, in YAML mode too") {
    const auto text = error_text(full_error(), Format::Json);
    CHECK(text == golden("error.json", text));
    CHECK(text.find('\n') == text.size() - 1);
    CHECK(error_text(full_error(), Format::Yaml) == text);
}

TEST_CASE("what an error does not know is not told") {
    CHECK(error_text(Error(ErrorCode::NotFound, "there is no VM 'web'"), Format::Table) ==
          "banger: there is no VM 'web'\n");
    Error error(ErrorCode::Internal, "x");
    error.with_details("one line");
    CHECK(error_text(error, Format::Table) == "banger: x\n  details: one line\n");
}
