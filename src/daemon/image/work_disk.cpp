#include "daemon/image/work_disk.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/size.hpp"
#include "daemon/image/ext4_format.hpp"
#include "daemon/image/ext4_writer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>

namespace banger {

namespace {

constexpr uint64_t smallest = 32 << 20; // room for the journal, and for something beside it

constexpr std::chrono::minutes check_limit{10};

RunResult run_tool(const char* name, std::vector<std::string> arguments, std::stop_token stop = {}) {
    ProcessSpec spec;
    spec.program = find_program(name, "e2fsprogs");
    spec.arguments = std::move(arguments);
    spec.environment = {"LC_ALL=C.UTF-8"};
    spec.parent_death_signal = SIGKILL; // the next daemon may use the disk
    return run(std::move(spec), {.timeout = check_limit, .stop = std::move(stop)});
}

/// Everything that it safely can, it mends. Exit status 1: it has (e2fsck(8)).
void check_disk(const std::string& path, const std::stop_token& stop) {
    const auto result = run_tool("e2fsck", {"-f", "-p", path}, stop);
    if (result.status > 1)
        throw Error(ErrorCode::FailedPrecondition, "the filesystem of " + path + " is damaged",
                    "look at it with: e2fsck -f " + path)
            .with_details(result.output + result.errors);
}

uint64_t size_of(const std::string& path) {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) < 0)
        throw_errno("look at " + path);
    return static_cast<uint64_t>(facts.st_size);
}

} // namespace

void make_work_disk(const std::string& path, uint64_t bytes) {
    if (bytes < smallest)
        throw Error(ErrorCode::InvalidArgument, "a disk of " + human_size(bytes) + " is too small",
                    "at least " + human_size(smallest));
    // With a journal: the VM may be killed at any moment and started again on the same disk.
    Ext4Writer writer(path, bytes, {true, 16384}); // throws before it touches a file that is there already
    try {
        Attributes attributes;
        attributes.mtime = std::time(nullptr);
        writer.directory("", attributes);
        writer.directory("upper", attributes); // overlayfs gives these attributes to the guest's root
        attributes.mode = 0700;
        writer.directory("work", attributes);
        writer.finish();
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
}

void grow_work_disk(const std::string& path, uint64_t bytes, const std::stop_token& stop) {
    check_disk(path, stop);
    const auto size = size_of(path); // the file's own: a record of it is written later, and may not have been
    if (size > bytes)
        throw Error(ErrorCode::InvalidArgument,
                    "the disk " + path + " has " + human_size(size) + " already, and can only grow",
                    "ask for " + human_size(size) + " or more");
    if (size < bytes && ::truncate(path.c_str(), static_cast<off_t>(bytes)) < 0)
        throw_errno("make " + path + " larger");
    const auto result =
        run_tool("resize2fs", {path}); // goes on to its end: half of it is a damaged filesystem
    if (result.status != 0)
        throw Error(ErrorCode::Internal, "resize2fs ended with status " + std::to_string(result.status),
                    "is there room for it? the disk is as it was, in a larger file")
            .with_details(result.errors);
}

} // namespace banger
