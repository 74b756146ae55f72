#include "helper/firecracker.hpp"

#include "base/process.hpp"
#include "install/programs.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>

namespace banger::helper {

namespace {

constexpr std::chrono::seconds patience{5};
constexpr size_t output_limit = 64 << 10;
constexpr size_t longest_version = 64;
constexpr unsigned nobody = 65534;
constexpr const char* where =
    "install a release of Firecracker, its jailer with it, as /usr/local/bin/firecracker "
    "and /usr/local/bin/jailer; or use the VMM qemu";

bool is_version_character(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '+';
}

/// A number at the text's start, taken off it.
std::optional<unsigned> take_number(std::string_view& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || text.empty() || text.front() < '0' || text.front() > '9')
        return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return number;
}

/// By the descriptor, as nobody, with no privilege to gain; whatever else the helper's unit takes away holds
/// as well.
std::string ask_version(int file, const std::string& path) {
    ProcessSpec spec;
    spec.program = "/proc/self/fd/" + std::to_string(file);
    spec.arguments = {"--version"};
    spec.inherited = {file};
    spec.uid_gid = {nobody, nobody};
    spec.no_new_privileges = true;
    spec.parent_death_signal = SIGKILL;
    try {
        return run(std::move(spec), {patience, output_limit, {}}).output;
    } catch (const Error& error) {
        throw Error(error.code() == ErrorCode::Timeout ? ErrorCode::Timeout : ErrorCode::FailedPrecondition,
                    path + " does not tell its version: " + error.message(), where);
    }
}

void require_trusted(int file, const std::string& path) {
    struct stat opened{};
    struct stat named{};
    auto trouble = install::distrust(install::Tree(), path);
    if (trouble.empty() && (::fstat(file, &opened) < 0 || ::lstat(path.c_str(), &named) < 0 ||
                            opened.st_dev != named.st_dev || opened.st_ino != named.st_ino))
        trouble = path + " is being replaced";
    if (trouble.empty() && (opened.st_mode & 0111) == 0)
        trouble = path + " is not executable";
    if (!trouble.empty())
        throw Error(ErrorCode::FailedPrecondition, "what makes jails must be root's alone: " + trouble,
                    where);
}

void require_new_enough(const ProgramVersion& version, const std::string& path) {
    const auto& least = least_firecracker;
    if (std::pair(version.major, version.minor) < least)
        throw Error(ErrorCode::FailedPrecondition,
                    path + " is version " + version.text + ", which is too old: it takes " +
                        std::to_string(least.first) + "." + std::to_string(least.second) + " or newer",
                    where);
}

} // namespace

std::optional<ProgramVersion> parse_program_version(std::string_view name, std::string_view output) {
    auto line = output.substr(0, output.find('\n'));
    if (!line.starts_with(name))
        return std::nullopt;
    line.remove_prefix(name.size());
    if (!line.starts_with(" v"))
        return std::nullopt;
    line.remove_prefix(2);
    if (line.size() > longest_version || !std::all_of(line.begin(), line.end(), is_version_character))
        return std::nullopt;
    auto rest = line;
    const auto major = take_number(rest);
    if (!major || !rest.starts_with('.'))
        return std::nullopt;
    rest.remove_prefix(1);
    const auto minor = take_number(rest);
    if (!minor || (!rest.empty() && rest.front() != '.' && rest.front() != '-' && rest.front() != '+'))
        return std::nullopt;
    return ProgramVersion{*major, *minor, std::string(line)};
}

FirecrackerFinder::FirecrackerFinder(std::vector<std::string> folders, std::string metadata)
    : folders_(std::move(folders))
    , metadata_(std::move(metadata)) {}

/// Nothing when there is no such file.
std::optional<FirecrackerFinder::Program> FirecrackerFinder::open_at(const std::string& path,
                                                                     std::string_view name, Known& known) {
    // O_NONBLOCK: what is no regular file is refused below, and must not hold the open up.
    OwnedFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file && (errno == ENOENT || errno == ENOTDIR))
        return std::nullopt;
    if (!file)
        throw Error(ErrorCode::FailedPrecondition,
                    errno == ELOOP ? path + " is a symlink" : path + " cannot be opened", where);
    require_trusted(file.get(), path);
    struct stat status{};
    if (::fstat(file.get(), &status) < 0)
        throw_errno("stat " + path);
    const Identity identity{static_cast<int64_t>(status.st_dev), static_cast<int64_t>(status.st_ino),
                            status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size};
    if (known.identity != identity)
        known = {identity, parse_program_version(name, ask_version(file.get(), path))};
    if (!known.version)
        throw Error(ErrorCode::FailedPrecondition, path + " does not tell a version that is understood",
                    where);
    require_new_enough(*known.version, path);
    return Program{std::move(file), *known.version};
}

FirecrackerFinder::Program FirecrackerFinder::open_program(const std::string& file_name,
                                                           const std::string& chosen, Known& known) const {
    const auto* name = file_name == "jailer" ? "Jailer" : "Firecracker";
    std::vector<std::string> paths{chosen};
    if (chosen.empty()) {
        paths.clear();
        for (const auto& folder : folders_)
            paths.push_back(folder + "/" + file_name);
    }
    for (const auto& path : paths)
        if (auto program = open_at(path, name, known))
            return std::move(*program);
    throw Error(ErrorCode::Unavailable, (chosen.empty() ? file_name : chosen) + " is not installed", where);
}

FirecrackerPrograms FirecrackerFinder::open() {
    const std::lock_guard lock(mutex_);
    install::Paths chosen;
    try {
        chosen = install::read_metadata(metadata_).paths;
    } catch (const Error&) {
        // Without a record, or with one that is not to be trusted, nothing was chosen.
    }
    auto firecracker = open_program("firecracker", chosen.firecracker, firecracker_);
    auto jailer = open_program("jailer", chosen.jailer, jailer_);
    if (firecracker.version != jailer.version)
        throw Error(ErrorCode::FailedPrecondition,
                    "firecracker is version " + firecracker.version.text + " and its jailer " +
                        jailer.version.text,
                    "install both from one release of Firecracker");
    return {std::move(firecracker.file), std::move(jailer.file), firecracker.version.text};
}

} // namespace banger::helper
