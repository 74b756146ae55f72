#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "daemon/image/work_disk.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace banger;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/banger-disk-XXXXXX";
        path = ::mkdtemp(name);
    }
    Folder(const Folder&) = delete;
    ~Folder() { remove_tree(path); }
};

std::string tool(const char* name, std::vector<std::string> arguments) {
    ProcessSpec spec;
    spec.program = find_program(name, "e2fsprogs");
    spec.arguments = std::move(arguments);
    return run_checked(std::move(spec));
}

} // namespace

TEST_CASE("a work disk grows with the filesystem in it") {
    const Folder folder;
    const auto disk = folder.path + "/work.ext4";
    make_work_disk(disk, 64 << 20);
    write_file_atomically(folder.path + "/file", "kept");
    tool("debugfs", {"-w", "-R", "write " + folder.path + "/file /upper/file", disk});
    grow_work_disk(disk, 3ULL << 30);
    CHECK(std::filesystem::file_size(disk) == 3ULL << 30);
    CHECK(tool("dumpe2fs", {"-h", disk}).find("Block count:              786432\n") != std::string::npos);
    CHECK(tool("debugfs", {"-R", "cat /upper/file", disk}) == "kept");
    tool("e2fsck", {"-f", "-n", disk});
}

TEST_CASE("a disk that is larger already is left alone, and one whose growth was interrupted goes on") {
    const Folder folder;
    const auto disk = folder.path + "/work.ext4";
    make_work_disk(disk, 64 << 20);
    std::filesystem::resize_file(disk, 256 << 20);
    try {
        grow_work_disk(disk, 128 << 20);
        FAIL("cut");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidArgument);
    }
    CHECK(std::filesystem::file_size(disk) == 256 << 20);
    grow_work_disk(disk, 256 << 20);
    CHECK(tool("dumpe2fs", {"-h", disk}).find("Block count:              65536\n") != std::string::npos);
    tool("e2fsck", {"-f", "-n", disk});
}

TEST_CASE("what is no filesystem does not grow") {
    const Folder folder;
    const auto disk = folder.path + "/work.ext4";
    write_file_atomically(disk, std::string(1 << 20, 'x'));
    try {
        grow_work_disk(disk, 64 << 20);
        FAIL("grown");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::FailedPrecondition);
        CHECK_FALSE(error.hint().empty());
    }
    CHECK(std::filesystem::file_size(disk) == 1 << 20);
}
