#include "daemon/image/scratch.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/op_id.hpp"
#include "base/process.hpp"
#include "daemon/image/outside.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace banger {

namespace {

constexpr std::string_view prefix = "banger-build-";

std::string temporary_root() {
    const char* chosen = std::getenv("TMPDIR");
    return chosen && chosen[0] == '/' ? chosen : "/tmp";
}

/// `unshare --map-auto` maps the subordinate ids with newuidmap, and there the owner is root over all of
/// them.
void remove_as_mapped_root(const std::string& path) {
    ProcessSpec spec;
    spec.program = find_program("unshare", "util-linux");
    spec.arguments = {"--user", "--map-root-user",   "--map-auto", "--", find_program("rm", "coreutils"),
                      "-rf",    "--one-file-system", "--",         path};
    spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    run_checked(outside(std::move(spec)).spec);
}

void remove_scratch(const std::string& path) {
    try {
        remove_tree(path);
    } catch (const Error&) {
        remove_as_mapped_root(path);
    }
}

} // namespace

Scratch::Scratch(const std::string& staging)
    : path_(temporary_root() + "/" + std::string(prefix) + random_hex(8))
    , note_(staging + "/scratch") {
    write_file_atomically(note_, path_);
    if (::mkdir(path_.c_str(), 0700) < 0)
        throw_errno("make directory " + path_);
    if (::chmod(path_.c_str(), 0711) < 0)
        throw_errno("chmod " + path_);
}

Scratch::~Scratch() {
    try {
        remove_scratch(path_);
        ::unlink(note_.c_str());
    } catch (const std::exception&) {
        // The note stays in the staging folder; nothing more can be done here.
    }
}

void remove_noted_scratch(const std::string& staging) {
    std::string path;
    try {
        path = read_file(staging + "/scratch", 4096);
    } catch (const Error&) {
        return;
    }
    const auto slash = path.rfind('/');
    struct stat status{};
    if (!path.starts_with('/') || !std::string_view(path).substr(slash + 1).starts_with(prefix) ||
        ::lstat(path.c_str(), &status) < 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())
        return;
    remove_scratch(path);
}

} // namespace banger
