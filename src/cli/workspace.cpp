#include "cli/workspace.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/process.hpp"
#include "cli/text.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

namespace banger::cli {

namespace {

constexpr size_t listing_limit = size_t{512} << 20;
constexpr std::string_view submodule_mode = "160000";

[[noreturn]] void refuse_listing(std::string_view record) {
    throw Error(ErrorCode::InvalidArgument, "git's list of files has an entry that cannot be taken: " +
                                                safe_text(record.substr(0, 200), false));
}

bool is_git_folder(std::string_view part) {
    return part.size() == 4 && ::strncasecmp(part.data(), ".git", 4) == 0;
}

/// An index can be made by hand, so git's own promises about paths are checked (git's read-cache.c,
/// verify_path()).
void check_path(std::string_view path) {
    if (path.empty())
        refuse_listing(path);
    for (size_t at = 0; at <= path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        const auto part = path.substr(at, end - at);
        if (part.empty() || part == "." || part == ".." || is_git_folder(part))
            refuse_listing(path);
        at = end + 1;
    }
}

std::string real_directory(const std::string& path) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (!real)
        throw_errno("open " + path);
    struct stat status{};
    if (::stat(real.get(), &status) < 0)
        throw_errno("open " + path);
    if (!S_ISDIR(status.st_mode))
        throw Error(ErrorCode::InvalidArgument, path + " is not a folder",
                    "give the folder of a git repository");
    return real.get();
}

/// The nearest folder, from `path` upwards, that holds a .git; found here and not by git, because a
/// repository's own core.worktree could name any folder.
std::string find_top(const std::string& path, const std::string& shown) {
    for (auto folder = path; !folder.empty(); folder = folder.substr(0, folder.rfind('/'))) {
        struct stat status{};
        if (::lstat((folder + "/.git").c_str(), &status) == 0)
            return folder;
    }
    throw Error(ErrorCode::InvalidArgument, shown + " is not in a git repository",
                "`git init` and `git add` there, or leave the path out for a bare sandbox");
}

/// git, without anything that the repository's configuration could make it run or reach.
std::string list_files(const std::string& top) {
    ProcessSpec git;
    git.program = find_program("git", "git");
    git.arguments = {"--git-dir=" + top + "/.git",
                     "--work-tree=" + top,
                     "-c",
                     "safe.directory=*", // it may be another account's; nothing of it is executed
                     "-c",
                     "core.fsmonitor=false",
                     "-c",
                     "core.hooksPath=/dev/null",
                     "-c",
                     "protocol.allow=never", // a partial clone would fetch what it lacks
                     "--literal-pathspecs",
                     "ls-files",
                     "-z",
                     "--stage",
                     "--full-name"};
    git.environment = {"LC_ALL=C.UTF-8",        "PATH=/usr/local/bin:/usr/bin:/bin",
                       "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
                       "GIT_OPTIONAL_LOCKS=0",  "GIT_NO_LAZY_FETCH=1",
                       "GIT_TERMINAL_PROMPT=0"};
    git.directory = top;
    RunLimits limits;
    limits.output = listing_limit;
    auto result = run(git, limits);
    if (result.status != 0)
        throw Error(ErrorCode::InvalidArgument, "git cannot list the files of " + top,
                    "does `git -C " + top + " status` work?")
            .with_details(result.errors);
    return std::move(result.output);
}

/// Which of the paths are files or symlinks in the tree now: deleted ones are left out, and what is reached
/// through a symlinked folder counts as deleted, as for git itself.
std::vector<std::string> existing(const std::string& top, std::vector<std::string> paths) {
    const auto root = open_file(top, O_PATH | O_DIRECTORY);
    std::vector<std::string> result;
    result.reserve(paths.size());
    for (auto& path : paths) {
        open_how how{};
        how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
        how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
        // The last part may be a symlink: with O_PATH | O_NOFOLLOW it is opened itself, even so (openat2(2)).
        const OwnedFd fd(
            static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
        struct stat status{};
        if (!fd && errno == EACCES)
            throw_errno("read " + top + "/" + path);
        if (fd && ::fstat(fd.get(), &status) == 0 && (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)))
            result.push_back(std::move(path));
    }
    return result;
}

bool holds_folder(const std::vector<std::string>& files, const std::string& folder) {
    return folder.empty() ||
           std::any_of(files.begin(), files.end(),
                       [prefix = folder + "/"](const auto& file) { return file.starts_with(prefix); });
}

} // namespace

std::vector<std::string> parse_tracked_files(std::string_view listing) {
    std::vector<std::string> files;
    std::string submodules;
    while (!listing.empty()) {
        const auto end = listing.find('\0');
        const auto record = listing.substr(0, end);
        const auto tab = record.find('\t');
        // "MODE OBJECT STAGE\tPATH"; a path in conflict stands once per stage, one after the other.
        if (end == listing.npos || tab == record.npos || record.find(' ') != submodule_mode.size())
            refuse_listing(record);
        const auto path = record.substr(tab + 1);
        check_path(path);
        if (record.starts_with(submodule_mode))
            submodules += (submodules.empty() ? "" : ", ") + std::string(path);
        else if (files.empty() || files.back() != path)
            files.emplace_back(path);
        listing.remove_prefix(end + 1);
    }
    if (!submodules.empty())
        throw Error(ErrorCode::Unsupported,
                    "the repository has submodules, which are not taken along: " + submodules,
                    "start in a submodule's own folder, or in a copy of the repository without them");
    return files;
}

Workspace open_workspace(const std::string& path) {
    const auto here = real_directory(path);
    Workspace workspace;
    workspace.root = find_top(here == "/" ? "" : here, path);
    workspace.name = workspace.root.substr(workspace.root.rfind('/') + 1);
    if (here.size() > workspace.root.size())
        workspace.subdirectory = here.substr(workspace.root.size() + 1);
    workspace.files = existing(workspace.root, parse_tracked_files(list_files(workspace.root)));
    if (!holds_folder(workspace.files, workspace.subdirectory))
        throw Error(ErrorCode::InvalidArgument, "git tracks no files in " + path,
                    "`git add` some, or start in " + workspace.root);
    return workspace;
}

} // namespace banger::cli
