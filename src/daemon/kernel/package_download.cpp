#include "daemon/kernel/package_download.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"
#include "daemon/image/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <set>

namespace banger {

namespace fs = std::filesystem;

namespace {

constexpr size_t max_packages = 8;
constexpr auto time_limit = std::chrono::minutes(30);

bool is_package_name(std::string_view name) {
    return name.size() >= 2 && name.size() <= 200 && std::isalnum(static_cast<unsigned char>(name.front())) &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::islower(c) || std::isdigit(c) || c == '+' || c == '-' || c == '.';
           });
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' '))
        text.remove_suffix(1);
    return text;
}

/// linux-image-6.1.0-56-cloud-amd64, linux-modules-6.8.0-31-generic; not linux-image-cloud-amd64.
bool is_versioned_kernel(std::string_view name) {
    for (const std::string_view prefix : {"linux-image-", "linux-modules-", "linux-image-unsigned-"})
        if (name.size() > prefix.size() && name.starts_with(prefix) &&
            std::isdigit(static_cast<unsigned char>(name[prefix.size()])))
            return true;
    return false;
}

void add_needs(std::vector<std::string>& needs, std::string_view list) {
    while (!list.empty()) {
        const auto item = list.substr(0, list.find(','));
        list.remove_prefix(std::min(item.size() + 1, list.size()));
        auto name = trimmed(item.substr(0, item.find('|')));
        name = name.substr(0, name.find_first_of(" (:"));
        if (is_package_name(name) && is_versioned_kernel(name))
            needs.emplace_back(name);
    }
}

/// apt, with the host's lists or with its own below a folder.
class Apt {
public:
    Apt(std::string folder, const std::stop_token& stop)
        : folder_(std::move(folder))
        , stop_(stop) {}

    /// From here on with lists of its own, freshly fetched.
    void fetch_own_lists() {
        for (const char* below : {"/apt", "/apt/state", "/apt/state/lists", "/apt/state/lists/partial",
                                  "/apt/cache", "/apt/cache/archives", "/apt/cache/archives/partial"})
            make_directories(folder_ + below);
        write_file_atomically(folder_ + "/apt/status", "");
        own_lists_ = true;
        const auto result = run_apt("apt-get", {"update", "--error-on=any"});
        if (result.status != 0)
            throw failure("fetch the package lists", result);
    }
    bool has_own_lists() const { return own_lists_; }

    /// Without a name when apt knows no such package.
    PackageStanza show(const std::string& package) {
        const auto result = run_apt("apt-cache", {"show", "--no-all-versions", package});
        return result.status == 0 ? parse_stanza(result.output) : PackageStanza{};
    }

    /// False when it failed and newer lists might help.
    bool download(const PackageStanza& package) {
        const auto result = run_apt("apt-get", {"download", package.name + "=" + package.version});
        if (result.status == 0)
            return true;
        if (own_lists_)
            throw failure("download " + package.name, result);
        return false;
    }

private:
    RunResult run_apt(const std::string& program, const std::vector<std::string>& arguments) const {
        throw_if_stopped(stop_);
        ProcessSpec spec;
        spec.program = find_program(program, "apt");
        // No cache files (they are root's), and no second user: root would step down to one that cannot write
        // here.
        spec.arguments = {"-q",
                          "-o",
                          "Dir::Cache::pkgcache=",
                          "-o",
                          "Dir::Cache::srcpkgcache=",
                          "-o",
                          "APT::Sandbox::User=" + std::string(::geteuid() == 0 ? "root" : "")};
        if (own_lists_)
            for (const auto& option :
                 {"Dir::State=" + folder_ + "/apt/state", "Dir::Cache=" + folder_ + "/apt/cache",
                  "Dir::State::status=" + folder_ + "/apt/status", std::string("Acquire::Languages=none")})
                spec.arguments.insert(spec.arguments.end(), {"-o", option});
        spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
        spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=" + folder_};
        for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy"})
            if (const char* value = std::getenv(name))
                spec.environment.push_back(std::string(name) + "=" + value);
        spec.directory = folder_;
        RunLimits limits;
        limits.timeout = time_limit;
        limits.stop = stop_;
        return run(std::move(spec), limits);
    }

    Error failure(const std::string& doing, const RunResult& result) const {
        const auto says = [&](std::string_view text) {
            return result.errors.find(text) != std::string::npos;
        };
        if (says("No space left on device"))
            return Error(ErrorCode::FailedPrecondition, "cannot " + doing + ": the disk is full",
                         "free some space, then try again")
                .with_details(result.errors);
        return Error(ErrorCode::Unavailable, "cannot " + doing,
                     "check the network and /etc/apt/sources.list; or import a package or kernel file that "
                     "you have")
            .with_details(result.errors);
    }

    std::string folder_;
    const std::stop_token& stop_;
    bool own_lists_ = false;
};

/// The package and what it needs, breadth first.
std::vector<PackageStanza> resolve(Apt& apt, const std::string& package) {
    std::vector<PackageStanza> found;
    std::vector<std::string> open{package};
    std::set<std::string> seen{package};
    for (size_t i = 0; i < open.size() && found.size() < max_packages; ++i) {
        auto stanza = apt.show(open[i]);
        if (stanza.name.empty())
            return {};
        for (const auto& needed : stanza.needs)
            if (seen.insert(needed).second)
                open.push_back(needed);
        found.push_back(std::move(stanza));
    }
    return found;
}

/// False when newer lists might help.
bool try_download(Apt& apt, const std::string& package) {
    const auto packages = resolve(apt, package);
    if (packages.empty()) {
        if (apt.has_own_lists())
            throw Error(
                ErrorCode::NotFound, "no package is called " + package,
                "for example linux-image-cloud-amd64 on Debian; apt-cache search linux-image shows all");
        return false;
    }
    for (const auto& stanza : packages)
        if (!apt.download(stanza))
            return false;
    return true;
}

} // namespace

PackageStanza parse_stanza(std::string_view text) {
    PackageStanza stanza;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.empty())
            break;
        const auto value = [&](std::string_view key) { return line.substr(key.size()); };
        if (line.starts_with("Package: ") && is_package_name(value("Package: ")))
            stanza.name = value("Package: ");
        else if (line.starts_with("Version: ") && value("Version: ").find_first_of(" /=") == line.npos)
            stanza.version = value("Version: ");
        else if (line.starts_with("Depends: "))
            add_needs(stanza.needs, value("Depends: "));
    }
    return stanza;
}

void check_package_name(std::string_view name) {
    if (!is_package_name(name))
        throw Error(ErrorCode::InvalidArgument, "neither a file nor a package name",
                    "give a path with a / in it, or a name such as linux-image-cloud-amd64");
}

std::vector<std::string> download_kernel_packages(const std::string& package, const std::string& folder,
                                                  const std::stop_token& stop) {
    check_package_name(package);
    Apt apt(folder, stop);
    if (!try_download(apt, package)) {
        apt.fetch_own_lists();
        try_download(apt, package);
    }
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".deb" && entry.is_regular_file())
            files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    return files;
}

} // namespace banger
