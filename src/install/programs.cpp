#include "install/programs.hpp"

#include "base/companion.hpp"
#include "base/error.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace banger::install {

namespace {

constexpr const char* roles[] = {"daemon", "helper"};
constexpr const char* companions[] = {"banger-agent", "banger-jail", "banger-qemu"};
/// What the units do not let their programs see.
constexpr const char* hidden[] = {"/home", "/root", "/run/user", "/tmp", "/var/tmp"};

std::string plain(const std::string& path) {
    return std::filesystem::path(path).lexically_normal().string();
}

std::string trouble_with(const struct stat& status, const std::string& path, bool folder) {
    if (folder ? !S_ISDIR(status.st_mode) : !S_ISREG(status.st_mode))
        return path + (folder ? " is no directory" : " is no regular file");
    if (status.st_uid != 0)
        return path + " does not belong to root";
    if (status.st_mode & 022)
        return path + " can be written by others than root";
    return {};
}

} // namespace

Programs find_programs(const Tree& tree) {
    Programs found;
    if (tree.is_system()) {
        found.bindir = program_directory();
        found.files.push_back(found.bindir + "/banger");
        for (const auto* name : companions)
            found.files.push_back(companion_path(name));
        for (const auto* role : roles)
            found.files.push_back(plain(module_path(role)));
    } else {
        found.bindir = BANGER_INSTALL_BINDIR;
        found.files.push_back(found.bindir + "/banger");
        for (const auto* name : companions)
            found.files.push_back(BANGER_INSTALL_LIBEXECDIR "/" + std::string(name));
        for (const auto* role : roles)
            found.files.push_back(BANGER_INSTALL_LIBDIR "/libbanger-" + std::string(role) + ".so");
    }
    for (const auto& path : found.files)
        if (!tree.look(path))
            throw Error(ErrorCode::Unavailable, tree.at(path) + " is missing",
                        "install the programs first, all of them: `cmake --install`, or your package");
    return found;
}

std::string distrust_file(const Tree& tree, const std::string& path) {
    struct stat status{};
    if (::lstat(tree.at(path).c_str(), &status) < 0)
        return path + ": " + std::strerror(errno);
    return trouble_with(status, path, false);
}

std::string distrust(const Tree& tree, const std::string& path) {
    for (const auto* folder : hidden)
        if (tree.is_system() && path.starts_with(std::string(folder) + "/"))
            return path + " lies below " + folder + ", which the units hide from the programs they start";
    if (auto trouble = distrust_file(tree, path); !trouble.empty())
        return trouble;
    struct stat status{};
    // A folder that somebody else can write lets them put another program in place.
    for (auto folder = std::filesystem::path(path).parent_path();; folder = folder.parent_path()) {
        if (::stat(tree.at(folder.string()).c_str(), &status) < 0)
            return folder.string() + ": " + std::strerror(errno);
        if (auto trouble = trouble_with(status, folder.string(), true); !trouble.empty())
            return trouble;
        if (folder == folder.root_path())
            return {};
    }
}

void require_trusted(const Tree& tree, const std::vector<std::string>& paths) {
    for (const auto& path : paths)
        if (const auto trouble = distrust(tree, path); !trouble.empty())
            throw Error(ErrorCode::FailedPrecondition, "what runs as root must be root's alone: " + trouble,
                        "install the programs into a system folder, such as /usr or /usr/local");
}

} // namespace banger::install
