#include "base/error.hpp"
#include "doctor/doctor.hpp"
#include "doctor/probe.hpp"
#include "install/install.hpp"
#include "install/programs.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace banger::doctor {

namespace {

constexpr const char* mend_advice = "as root: banger system install";

std::string octal(unsigned mode) {
    char text[16];
    std::snprintf(text, sizeof text, "%04o", mode);
    return text;
}

/// Root may write anew what is missing: that is what an install does.
std::function<void()> reinstall() {
    if (::geteuid() != 0)
        return {};
    return [] { install::install({}); };
}

void check_recorded(const install::Metadata& metadata, Checks& checks) {
    size_t well = 0;
    for (const auto& file : install::file_states(install::Tree(), metadata)) {
        if (file.state == "unreadable")
            checks.push_back({"install.file", Verdict::Info,
                              file.path + " cannot be read by you; root's doctor looks at it"});
        well += file.state == "ok" ? 1 : 0;
        if (file.state == "ok" || file.state == "unreadable")
            continue;
        const bool missing = file.state == "missing";
        const auto* record = metadata.file(file.path);
        const bool ours = record && record->written;
        checks.push_back({"install.file", Verdict::Fail,
                          file.path + (missing ? " is missing" : " is not as it was installed"),
                          missing || !ours
                              ? mend_advice
                              : "look at what was changed; `banger system install --overwrite`, as root, "
                                "puts it right",
                          missing && ours ? reinstall() : nullptr});
    }
    checks.push_back(
        {"install.files", Verdict::Pass, std::to_string(well) + " files are as they were installed"});
}

void check_programs(const install::Metadata& metadata, Checks& checks) {
    size_t well = 0;
    for (const auto& record : metadata.files) {
        // Of programs, the folders too: polkit's belong to polkit.
        const auto trouble = record.written ? install::distrust_file(install::Tree(), record.path)
                                            : install::distrust(install::Tree(), record.path);
        // What is missing, or not the caller's to see, check_recorded() tells.
        const bool seen = ::access(record.path.c_str(), F_OK) == 0;
        well += trouble.empty() ? 1 : 0;
        if (!trouble.empty() && seen)
            checks.push_back({"install.owner", Verdict::Fail, trouble,
                              "what runs as root, or decides what may, must be root's alone: chown, chmod"});
    }
    checks.push_back({"install.owners", Verdict::Pass, std::to_string(well) + " files are root's alone"});
}

struct Folder {
    const char* path;
    unsigned mode;
};

constexpr Folder folders[] = {{"/run/banger", 0755},
                              {"/run/banger/ledger", 0700},
                              {"/var/lib/banger", 0711},
                              {"/var/lib/banger/jails", 0711}};

void check_folders(Checks& checks) {
    for (const auto& [path, mode] : folders) {
        struct stat status{};
        const auto id = "install.folder";
        if (::lstat(path, &status) < 0) {
            if (errno != ENOENT && errno != EACCES)
                checks.push_back(
                    {id, Verdict::Warn, errno_error(std::string("stat ") + path, errno).message()});
            continue; // made when the helper first runs
        }
        if (!S_ISDIR(status.st_mode) || status.st_uid != 0)
            checks.push_back({id, Verdict::Fail, std::string(path) + " is no folder of root's",
                              "find out who made it, and remove it"});
        else if ((status.st_mode & 07777 & ~mode) != 0)
            checks.push_back({id, Verdict::Fail,
                              std::string(path) + " has mode " + octal(status.st_mode & 07777) + ", not " + octal(mode),
                              "as root: chmod " + octal(mode) + " " + path,
                              ::geteuid() == 0 ? [path = path, mode = mode] {
                                  if (::chmod(path, mode) < 0)
                                      throw_errno(std::string("chmod ") + path);
                              } : std::function<void()>()});
        else
            checks.push_back(
                {id, Verdict::Pass, std::string(path) + " is root's, " + octal(status.st_mode & 07777)});
    }
}

} // namespace

std::optional<install::Metadata> check_metadata(Checks& checks) {
    try {
        auto metadata = install::read_metadata();
        if (!install::booted_with_systemd()) {
            checks.push_back(
                {"install", Verdict::Warn,
                 "this is a private instance, or another system without systemd: the promises of a hardened "
                 "installation (units, their restrictions, files as installed) do not hold here"});
            return std::nullopt;
        }
        const auto version = metadata.version == BANGER_VERSION;
        checks.push_back({"install.version", version ? Verdict::Pass : Verdict::Warn,
                          "banger " + metadata.version + " is installed" +
                              (version ? "" : ", and this is " BANGER_VERSION),
                          version ? "" : mend_advice});
        if (std::any_of(metadata.files.begin(), metadata.files.end(),
                        [](const auto& f) { return f.under_way(); }))
            checks.push_back(
                {"install.interrupted", Verdict::Fail, "an install was cut off", mend_advice, reinstall()});
        if (::geteuid() != 0 && !metadata.owner(::geteuid()))
            checks.push_back({"install.caller", Verdict::Fail, "you are not registered as an owner",
                              "as root: banger system install, with --owner for each owner"});
        return metadata;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::NotFound)
            checks.push_back(
                {"install", Verdict::Warn,
                 "banger is not installed on this system: the promises of a hardened installation (units, "
                 "their restrictions, files as installed) do not hold here",
                 "as root: banger system install --owner USER"});
        else
            checks.push_back({"install", Verdict::Fail, error.message(), error.hint()});
        return std::nullopt;
    }
}

Checks check_files(const install::Metadata& metadata) {
    Checks checks;
    guarded(checks, "install.files", Verdict::Warn, [&] { check_recorded(metadata, checks); });
    guarded(checks, "install.owners", Verdict::Warn, [&] { check_programs(metadata, checks); });
    check_folders(checks);
    return checks;
}

} // namespace banger::doctor
