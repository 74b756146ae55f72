// From arguments to what the daemon and the agent are asked.
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/file.hpp"
#include "cli/arguments.hpp"
#include "cli/build_options.hpp"
#include "cli/import_source.hpp"
#include "cli/run_options.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace banger;
using namespace banger::cli;

namespace {

using Words = std::vector<std::string>;
constexpr Terminals no_terminals{};
constexpr Terminals terminals{true, true};
const std::optional<Words> some_command{{"ls", "-l"}};

RunOptions run_options(const Words& words) {
    CLI::App app;
    RunOptions options;
    options.declare(app);
    parse_arguments(app, words);
    return options;
}

bus::Variants run_request(const Words& words) {
    return run_options(words).create_request();
}

agent::ExecRequest exec_request(const Words& words, const std::optional<Words>& command = some_command,
                                Terminals here = no_terminals) {
    return run_options(words).exec.request(command, here, "usage");
}

bus::Variants build_request(const Words& words) {
    CLI::App app;
    BuildOptions options;
    options.declare(app);
    parse_arguments(app, words);
    return options.request();
}

template <class Body>
ErrorCode code_of(Body&& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::Internal;
}

} // namespace

TEST_CASE("a bare run asks for a started VM that does not outlive the caller") {
    const auto request = run_request({});
    CHECK(request.size() == 2);
    CHECK(request.at("start").get<bool>());
    CHECK(request.at("tied").get<bool>());
}

TEST_CASE("a run with everything") {
    const auto request = run_request(
        {"--name", "web", "--image", "bookworm", "--kernel", "6.1.0-cloud", "--vcpu", "4", "--memory", "1G",
         "--disk", "8G", "--rm", "--ready-timeout", "30s", "--vmm", "null", "--null-mode", "never-ready"});
    CHECK(request.at("name").get<std::string>() == "web");
    CHECK(request.at("image").get<std::string>() == "bookworm");
    CHECK(request.at("kernel").get<std::string>() == "6.1.0-cloud");
    CHECK(request.at("vcpus").get<uint32_t>() == 4);
    CHECK(request.at("memory-mib").get<uint32_t>() == 1024);
    CHECK(request.at("disk-bytes").get<uint64_t>() == uint64_t{8} << 30);
    CHECK(request.at("ephemeral").get<bool>());
    CHECK(request.at("tied").get<bool>());
    CHECK(request.at("ready-timeout-ms").get<uint32_t>() == 30'000);
    CHECK(request.at("vmm").get<std::string>() == "null");
    CHECK(request.at("null-mode").get<std::string>() == "never-ready");
}

TEST_CASE("NAT is the daemon's choice unless told") {
    CHECK(run_request({}).count("nat") == 0);
    CHECK(run_request({"--nat"}).at("nat").get<bool>());
    CHECK_FALSE(run_request({"--no-nat"}).at("nat").get<bool>());
}

TEST_CASE("what happens to a VM later") {
    const auto request = run_request({"--autostart", "--auto-stop-after", "90m", "--protect"});
    CHECK(request.at("autostart").get<bool>());
    CHECK(request.at("auto-stop-after-s").get<uint32_t>() == 5400);
    CHECK(request.at("protected").get<bool>());
    CHECK(run_request({"--auto-stop-after", "never"}).at("auto-stop-after-s").get<uint32_t>() == 0);
    CHECK(run_request({"--auto-stop-after", "1ms"}).at("auto-stop-after-s").get<uint32_t>() == 1);
    CHECK_FALSE(run_request({"--no-protect"}).at("protected").get<bool>());
    CHECK(code_of([] { run_request({"--auto-stop-after", "soon"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { run_request({"--autostart", "--no-autostart"}); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("a detached VM outlives the caller") {
    CHECK(run_request({"-d"}).count("tied") == 0);
    CHECK(run_request({"-d", "--rm"}).at("ephemeral").get<bool>());
}

TEST_CASE("a bare number of --memory counts MiB, and only whole MiB exist") {
    CHECK(run_request({"--memory", "512"}).at("memory-mib").get<uint32_t>() == 512);
    CHECK(run_request({"--memory", "1.5G"}).at("memory-mib").get<uint32_t>() == 1536);
    for (const auto* wrong : {"0", "1.5", "100K", "x", "9999999999G"}) {
        CAPTURE(wrong);
        CHECK(code_of([&] { run_request({"--memory", wrong}); }) == ErrorCode::InvalidArgument);
    }
}

TEST_CASE("names and numbers are checked before anybody is asked") {
    CHECK(code_of([] { run_request({"--name", "Not_A_Label"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { run_request({"--image", "../etc"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { run_request({"--vcpu", "0"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { run_request({"--vcpu", "-1"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { run_request({"--disk", "big"}); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("options that contradict each other are refused") {
    CHECK(code_of([] { run_options({"-d"}).check(true); }) == ErrorCode::InvalidArgument);
    for (const Words& words : {Words{"-d", "-t"},
                               {"-d", "-i"},
                               {"-d", "--env", "A=b"},
                               {"-d", "--timeout", "5s"},
                               {"-d", "--workdir", "/x"}})
        CHECK(code_of([&] { run_options(words).check(false); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { exec_request({"-t", "-T"}); }) == ErrorCode::InvalidArgument);
    CHECK_NOTHROW(run_options({"-d", "--rm", "./repo"}).check(false));
    CHECK(run_options({"--rm", "./repo"}).path == "./repo");
}

TEST_CASE("a command gets what it was given, and a terminal when there is one at both ends") {
    const auto request =
        exec_request({"--env", "A=b=c", "-e", "EMPTY=", "--workdir", "/srv", "--timeout", "1500ms"});
    CHECK(request.argv == Words{"ls", "-l"});
    CHECK(request.env == std::vector<std::pair<std::string, std::string>>{{"A", "b=c"}, {"EMPTY", ""}});
    CHECK(request.cwd == "/srv");
    CHECK(request.timeout_ms == 1500);
    CHECK_FALSE(request.tty);
    CHECK(request.term.empty());
    CHECK_FALSE(exec_request({}, some_command, {true, false}).tty);
    CHECK_FALSE(exec_request({}, some_command, {false, true}).tty);
    CHECK(exec_request({}, some_command, terminals).tty);
    CHECK_FALSE(exec_request({"-T"}, some_command, terminals).tty);
    CHECK(exec_request({"-t"}).tty);
}

TEST_CASE("--env NAME takes the value from here") {
    ::setenv("BANGER_TEST_VARIABLE", "from here", 1);
    ::unsetenv("BANGER_TEST_MISSING");
    const auto request = exec_request({"-e", "BANGER_TEST_VARIABLE", "-e", "BANGER_TEST_MISSING"});
    CHECK(request.env ==
          std::vector<std::pair<std::string, std::string>>{{"BANGER_TEST_VARIABLE", "from here"}});
    CHECK(code_of([] { exec_request({"--env", "=x"}); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("without a command there is a shell, for terminals only") {
    CHECK(exec_request({}, std::nullopt, terminals).argv.front() == "/bin/sh");
    CHECK(exec_request({}, std::nullopt, terminals).tty);
    CHECK(code_of([] { exec_request({}, std::nullopt, no_terminals); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { exec_request({"-T"}, std::nullopt, terminals); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { exec_request({}, Words{}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { exec_request({}, Words{""}); }) == ErrorCode::InvalidArgument);
}

TEST_CASE("images to build") {
    const auto request = build_request({"base", "--suite", "bookworm", "--include", "git,make", "--include",
                                        "gcc", "--mirror", "http://mirror.example/debian", "--size", "4G"});
    CHECK(request.at("name").get<std::string>() == "base");
    CHECK(request.at("suite").get<std::string>() == "bookworm");
    CHECK(request.at("include").get<Words>() == Words{"git", "make", "gcc"});
    CHECK(request.at("mirror").get<std::string>() == "http://mirror.example/debian");
    CHECK(request.at("size-bytes").get<uint64_t>() == uint64_t{4} << 30);
    CHECK(build_request({"base", "--suite", "trixie"}).size() == 2);
    CHECK(build_request({"--include", "git", "--suite", "trixie", "base"}).at("name").get<std::string>() ==
          "base");
    CHECK(code_of([] { build_request({"base"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { build_request({"Bad/Name", "--suite", "trixie"}); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { build_request({"base", "--suite", "trixie", "--size", "0"}); }) ==
          ErrorCode::InvalidArgument);
}

TEST_CASE("kernels come from one place") {
    CHECK(ImportOptions{{}, "linux-image-cloud-amd64", "debian"}.request().at("package").get<std::string>() ==
          "linux-image-cloud-amd64");
    CHECK(ImportOptions{{}, "linux-image-cloud-amd64", "debian"}.request().at("name").get<std::string>() ==
          "debian");
    CHECK(ImportOptions{"/proc/self/exe", {}, {}}.request().count("file") == 1);
    CHECK(ImportOptions{{}, "/proc/self/exe", {}}.request().count("deb") == 1);
    CHECK(code_of([] { ImportOptions{}.request(); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { ImportOptions{"/proc/self/exe", "x", {}}.request(); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { ImportOptions{"/dev/null", {}, {}}.request(); }) == ErrorCode::InvalidArgument);
    CHECK(code_of([] { ImportOptions{{}, "missing.deb", {}}.request(); }) == ErrorCode::NotFound);
}
