#include "archive_maker.hpp"
#include "base/error.hpp"
#include "daemon/image/build.hpp"
#include "daemon/image/mmdebstrap.hpp"
#include "daemon/image/scratch.hpp"
#include "daemon/image/staging.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

using namespace banger;
using namespace banger::test;

namespace fs = std::filesystem;

namespace {

StoreName name(std::string_view text) {
    return StoreName::parse(text, "name");
}

size_t entries(const std::string& folder) {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

void put_image(const std::string& data_dir, const std::string& called) {
    auto staging = Staging::make(image_store(data_dir));
    write_file_atomically(staging.path() + "/rootfs.ext4", "content");
    ImageInfo image;
    image.name = called;
    image.suite = "bookworm";
    image.packages = {"bash 5"};
    write_file_atomically(staging.path() + "/metadata.json", image_metadata(image));
    staging.publish(name(called));
}

BootstrapHost host(bool newuidmap, bool fakechroot) {
    return {false,     "alice",   "bob:1:65536\nalice:100000:65536\n", "alice:100000:65536\n",
            newuidmap, fakechroot};
}

} // namespace

TEST_CASE("a staged folder appears whole, or not at all") {
    const TemporaryFolder folder;
    {
        auto dropped = Staging::make(folder.path());
    }
    CHECK(entries(folder.path()) == 0);
    auto staging = Staging::make(folder.path());
    write_file_atomically(staging.path() + "/file", "1");
    CHECK(names_in_store(folder.path()).empty());
    CHECK(staging.publish(name("one")) == folder / "one");
    CHECK(read_file(folder / "one/file") == "1");
    auto second = Staging::make(folder.path());
    CHECK_THROWS_AS(second.publish(name("one")), Error);
    write_file_atomically(second.path() + "/file", "2");
    second.publish(name("one"), true);
    CHECK(read_file(folder / "one/file") == "2");
    CHECK(entries(folder.path()) == 1);
}

TEST_CASE("what a killed process left is removed, what a living one writes is not") {
    const TemporaryFolder data;
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const auto child = ::fork();
    if (child == 0) {
        const auto staging = Staging::make(data / "images");
        const Scratch scratch(staging.path());
        [[maybe_unused]] const auto n = ::write(ready[1], "x", 1);
        ::pause();
        ::_exit(0);
    }
    char byte;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    const auto path = fs::directory_iterator(data / "images")->path().string();
    const auto scratch = read_file(path + "/scratch");
    CHECK(clean_unfinished(data.path()).empty());
    CHECK(fs::exists(path));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(fs::exists(scratch));
    CHECK(clean_unfinished(data.path()) == std::vector<std::string>{path});
    CHECK(!fs::exists(path));
    CHECK(!fs::exists(scratch));
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_CASE("a note of a scratch folder that is none is not believed") {
    const TemporaryFolder data;
    make_directories(data / "images/.new-1");
    make_directories(data / "precious");
    write_file_atomically(data / "images/.new-1/scratch", data / "precious");
    CHECK(clean_unfinished(data.path()).size() == 1);
    CHECK(fs::exists(data / "precious"));
}

TEST_CASE("images are listed, found and deleted by name") {
    const TemporaryFolder data;
    CHECK(list_images(data.path()).empty());
    put_image(data.path(), "two");
    put_image(data.path(), "one");
    make_directories(data / "images/broken");
    make_directories(data / "images/.new-x");
    const auto images = list_images(data.path());
    REQUIRE(images.size() == 2);
    CHECK(images[0].name == "one");
    CHECK(images[0].packages == std::vector<std::string>{"bash 5"});
    CHECK(images[1].path == data / "images/two/rootfs.ext4");
    CHECK(find_image(data.path(), "two").virtual_size == 7);
    CHECK_THROWS_AS(find_image(data.path(), "three"), Error);
    CHECK_THROWS_AS(find_image(data.path(), "../two"), Error);
    delete_image(data.path(), "two");
    CHECK_THROWS_AS(delete_image(data.path(), "two"), Error);
    CHECK(list_images(data.path()).size() == 1);
}

TEST_CASE("metadata that is damaged or of another version is refused") {
    CHECK_THROWS_AS(parse_image_metadata("{"), Error);
    CHECK_THROWS_AS(parse_image_metadata("{\"schema\": 1}"), Error);
    CHECK_THROWS_AS(parse_image_metadata("{\"schema\": 99}"), Error);
    CHECK_THROWS_AS(parse_image_metadata("[]"), Error);
    ImageInfo image;
    image.source = "not \xff UTF-8";
    CHECK(parse_image_metadata(image_metadata(image)).source.starts_with("not "));
}

TEST_CASE("how to become root over the files is chosen by what the host grants") {
    auto root = host(false, false);
    root.is_root = true;
    CHECK(choose_mode(root) == BootstrapMode::Root);
    CHECK(choose_mode(host(true, true)) == BootstrapMode::Unshare);
    CHECK(choose_mode(host(false, true)) == BootstrapMode::Fakechroot);
    CHECK_THROWS_AS(choose_mode(host(false, false)), Error);
    auto stranger = host(true, false);
    stranger.user = "ali"; // a prefix of a name is not the name
    try {
        choose_mode(stranger);
        FAIL("accepted");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
        CHECK(error.hint().find("usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ali") !=
              std::string::npos);
    }
}

TEST_CASE("mmdebstrap's command holds what was asked for, and nothing that could be an option") {
    const auto spec =
        bootstrap_command({"bookworm", {"git", "g++"}, "http://mirror/debian"}, BootstrapMode::Unshare, "/s");
    const auto& words = spec.arguments;
    const auto there = [&](std::string_view word) {
        return std::find(words.begin(), words.end(), word) != words.end();
    };
    CHECK(there("--mode=unshare"));
    CHECK(there("--include=git,g++"));
    CHECK(words[words.size() - 3] == "bookworm");
    CHECK(words.back() == "http://mirror/debian");
    CHECK(std::find(spec.environment.begin(), spec.environment.end(), "TMPDIR=/s") != spec.environment.end());
    CHECK_NOTHROW(check_bootstrap({"stable", {"libc6:amd64", "bash=5.2-1~x"}, ""}));
    for (const auto* suite : {"", "--x", "a b", "a;b", "UPPER"})
        CHECK_THROWS_AS(check_bootstrap({suite, {}, {}}), Error);
    for (const auto* package : {"", "-x", "a,b", "a b", "?essential", "~n.*"})
        CHECK_THROWS_AS(check_bootstrap({"sid", {package}, {}}), Error);
    for (const auto* mirror : {"deb x y z", "-", "/etc/x", "ftp://x", "http://a b", "http://a\nb"})
        CHECK_THROWS_AS(check_bootstrap({"sid", {}, mirror}), Error);
}

TEST_CASE("mmdebstrap's messages become progress and reasons") {
    CHECK(bootstrap_fraction("I: extracting archives...") >
          bootstrap_fraction("I: running apt-get update..."));
    CHECK(bootstrap_fraction("W: extracting archives...") < 0);
    CHECK(bootstrap_error("E: Unable to locate package x", {}).code() == ErrorCode::NotFound);
    CHECK(bootstrap_error("Could not resolve 'x'", {}).code() == ErrorCode::Unavailable);
    CHECK(bootstrap_error("E: …/nosuch Release' does not have a Release file.", {}).code() ==
          ErrorCode::NotFound);
    const auto full = bootstrap_error("No space left on device\nE: Unable to locate package x", {});
    CHECK(full.code() == ErrorCode::FailedPrecondition);
    CHECK(full.details().find("Unable") != std::string::npos);
    CHECK(bootstrap_error("?", {}).code() == ErrorCode::Internal);
}

TEST_CASE("a running bootstrap gives its output, its messages, and ends when dropped") {
    ProcessSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", "echo 'I: extracting archives...' >&2; printf tar; exit 3"};
    double seen = 0;
    BootstrapRun run(spec, [&](std::string_view, double fraction) { seen = fraction; }, {});
    char buffer[16];
    std::string output;
    while (const auto n = run.read(buffer, sizeof buffer))
        output.append(buffer, n);
    CHECK(output == "tar");
    CHECK(run.wait() == 3);
    CHECK(run.errors() == "I: extracting archives...\n");
    CHECK(seen == bootstrap_fraction("I: extracting archives..."));
    spec.arguments = {"-c", "sleep 600"};
    {
        const BootstrapRun dropped(spec, {}, {});
    } // returns at once
    std::stop_source stop;
    stop.request_stop();
    BootstrapRun stopped(spec, {}, stop.get_token());
    CHECK_THROWS_AS(stopped.read(buffer, sizeof buffer), Error);
}

TEST_CASE("installed packages are read from dpkg's status") {
    CHECK(installed_packages(
              "Package: b\nStatus: install ok installed\nVersion: 2\nDescription: x\n Package: no\n\n"
              "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n"
              "Package: a\nStatus: install ok installed\nVersion: 1") ==
          std::vector<std::string>{"a 1", "b 2"});
    CHECK(installed_packages("").empty());
}

TEST_CASE("a build that cannot begin leaves nothing") {
    const TemporaryFolder data;
    put_image(data.path(), "there");
    CHECK_THROWS_AS(build_image({.name = "there", .suite = "bookworm", .data_dir = data.path()}, {}, {}),
                    Error);
    CHECK_THROWS_AS(build_image({.name = "new", .suite = "--x", .data_dir = data.path()}, {}, {}), Error);
    CHECK_THROWS_AS(build_image({.name = "../new", .suite = "bookworm", .data_dir = data.path()}, {}, {}),
                    Error);
    CHECK(entries(data / "images") == 1);
}
