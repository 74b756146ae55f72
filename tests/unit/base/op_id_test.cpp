#include "base/op_id.hpp"
#include "scratch.hpp"

#include <doctest/doctest.h>

#include <thread>

using namespace banger;
using test::code_of;

TEST_CASE("operation ids are 32 lowercase hex digits") {
    const auto id = OpId::make();
    CHECK(OpId::parse(id.str()) == id);
    CHECK_FALSE(OpId::make() == id);
    for (const auto& text : {std::string(), std::string(31, 'a'), std::string(33, 'a'), std::string(32, 'g'),
                             std::string(32, 'A'), std::string(31, 'a') + "\n"})
        CHECK(code_of([&] { OpId::parse(text); }) == "InvalidArgument");
}

TEST_CASE("scopes nest, and belong to their thread") {
    CHECK(current_op_id().empty());
    {
        const OpScope outer("outer");
        {
            const OpScope inner("inner");
            CHECK(current_op_id() == "inner");
            std::string seen = "unset";
            std::jthread([&] { seen = current_op_id(); }).join();
            CHECK(seen.empty());
        }
        CHECK(current_op_id() == "outer");
    }
    CHECK(current_op_id().empty());
}
