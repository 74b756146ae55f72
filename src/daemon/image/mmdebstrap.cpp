#include "daemon/image/mmdebstrap.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "daemon/image/outside.hpp"

#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace banger {

namespace {

constexpr int poll_ms = 100;
constexpr int cleanup_ms = 20'000; ///< for mmdebstrap to remove its tree
constexpr size_t kept_errors = 8192;
constexpr size_t max_packages = 1000;

std::string file_or_nothing(const char* path) {
    try {
        return read_file(path, 1 << 20);
    } catch (const Error&) {
        return {};
    }
}

bool has_program(const char* name) {
    try {
        find_program(name, name);
        return true;
    } catch (const Error&) {
        return false;
    }
}

std::string account_name(uid_t uid) {
    std::array<char, 4096> buffer;
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
        return {};
    return found->pw_name;
}

/// Whether a line "user:first:count" grants something to `user` (subuid(5)).
bool grants(std::string_view table, const std::string& user) {
    return !user.empty() && (table.starts_with(user + ":") || table.find("\n" + user + ":") != table.npos);
}

bool is_lower_alnum(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/// Debian Policy 5.6.1: lower case, digits, and + - . after the first; here also = and ~ : for a version, /
/// for a suite.
bool is_package(std::string_view text) {
    constexpr std::string_view further = "+-.=~:/_";
    return !text.empty() && text.size() <= 200 && is_lower_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(), [&](char c) {
               return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || further.find(c) != further.npos;
           });
}

bool is_suite(std::string_view text) {
    return !text.empty() && text.size() <= 64 && is_lower_alnum(text.front()) &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_lower_alnum(c) || c == '-' || c == '.' || c == '/'; });
}

bool is_mirror(std::string_view text) {
    constexpr std::array<std::string_view, 4> schemes{"https://", "http://", "file:///", "copy:///"};
    const bool known =
        std::any_of(schemes.begin(), schemes.end(), [&](auto s) { return text.starts_with(s); });
    return known && text.size() <= 1024 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return c > 0x20 && c < 0x7f && c != '[' && c != ']';
           });
}

struct Sign {
    std::string_view text; ///< in mmdebstrap's or apt's messages
    ErrorCode code;
    std::string_view message;
    std::string_view hint;
};
/// The first that is found wins: a full disk makes apt complain about much else.
constexpr std::array<Sign, 13> signs{{
    {"No space left on device", ErrorCode::FailedPrecondition, "the disk is full",
     "free space in the temporary folder ($TMPDIR, else /tmp), or set TMPDIR to a larger one"},
    {"Disk quota exceeded", ErrorCode::FailedPrecondition, "the disk quota is used up", "free some space"},
    {"Unable to locate package", ErrorCode::NotFound, "a package is not in this suite",
     "look at the details for its name"},
    {"has no installation candidate", ErrorCode::NotFound, "a package is not in this suite",
     "look at the details for its name"},
    {"Could not resolve", ErrorCode::Unavailable, "the package mirror's name cannot be resolved",
     "check the network, or choose another mirror"},
    {"Temporary failure resolving", ErrorCode::Unavailable, "the package mirror's name cannot be resolved",
     "check the network, or choose another mirror"},
    {"Could not connect", ErrorCode::Unavailable, "the package mirror cannot be reached",
     "check the network, or choose another mirror"},
    {"Unable to connect", ErrorCode::Unavailable, "the package mirror cannot be reached",
     "check the network, or choose another mirror"},
    {"does not have a Release file", ErrorCode::NotFound, "the mirror has no such suite",
     "check the suite's name, or choose another mirror"},
    {"404  Not Found", ErrorCode::NotFound, "the mirror has no such suite or package",
     "check the suite's name, or choose another mirror"},
    {"NO_PUBKEY", ErrorCode::FailedPrecondition, "the suite is signed by a key that this host does not trust",
     "install the distribution's keyring package, for example debian-archive-keyring"},
    {"is not signed", ErrorCode::FailedPrecondition, "the mirror's package lists are not signed",
     "choose another mirror"},
    {"Operation not permitted", ErrorCode::FailedPrecondition,
     "the kernel refuses an unprivileged user namespace",
     "see kernel.unprivileged_userns_clone and user.max_user_namespaces in sysctl(8)"},
}};

struct Stage {
    std::string_view message;
    double fraction;
};
constexpr std::array<Stage, 7> stages{{
    {"running apt-get update", 0.05},
    {"downloading packages", 0.10},
    {"extracting archives", 0.25},
    {"installing essential", 0.35},
    {"installing remaining", 0.55},
    {"cleaning package lists", 0.75},
    {"creating tarball", 0.80},
}};

} // namespace

BootstrapHost BootstrapHost::look() {
    BootstrapHost host;
    host.is_root = ::geteuid() == 0;
    host.user = account_name(::geteuid());
    host.subuid = file_or_nothing("/etc/subuid");
    host.subgid = file_or_nothing("/etc/subgid");
    host.has_newuidmap = has_program("newuidmap");
    host.has_fakechroot = has_program("fakechroot") && has_program("fakeroot");
    return host;
}

BootstrapMode choose_mode(const BootstrapHost& host) {
    if (host.is_root)
        return BootstrapMode::Root;
    const bool granted = grants(host.subuid, host.user) && grants(host.subgid, host.user);
    if (granted && host.has_newuidmap)
        return BootstrapMode::Unshare;
    if (host.has_fakechroot)
        return BootstrapMode::Fakechroot;
    if (granted)
        throw Error(ErrorCode::FailedPrecondition,
                    "newuidmap is missing, without which no image can be built",
                    "ask an administrator to install the package uidmap");
    const auto user = host.user.empty() ? std::string("USER") : host.user;
    throw Error(
        ErrorCode::FailedPrecondition,
        "building an image needs subordinate user ids, and " +
            (host.user.empty() ? std::string("this user id has no account") : user + " has none"),
        "ask an administrator to run: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " +
            user + (host.has_newuidmap ? "" : "; and to install the package uidmap"));
}

void check_bootstrap(const Bootstrap& what) {
    if (!is_suite(what.suite))
        throw Error(ErrorCode::InvalidArgument, "not a valid suite", "for example bookworm, trixie or noble");
    if (!what.mirror.empty() && !is_mirror(what.mirror))
        throw Error(ErrorCode::InvalidArgument, "not a valid mirror",
                    "for example http://deb.debian.org/debian");
    if (what.include.size() > max_packages)
        throw Error(ErrorCode::InvalidArgument,
                    "more than " + std::to_string(max_packages) + " packages to include");
    for (const auto& package : what.include)
        if (!is_package(package))
            throw Error(ErrorCode::InvalidArgument, "not a valid package name among those to include",
                        "package names consist of a-z, 0-9, +, - and .");
}

ProcessSpec bootstrap_command(const Bootstrap& what, BootstrapMode mode, const std::string& scratch) {
    constexpr std::array<const char*, 3> modes{"root", "unshare", "fakechroot"};
    ProcessSpec spec;
    spec.program = find_program("mmdebstrap", "mmdebstrap");
    spec.arguments = {std::string("--mode=") + modes[static_cast<size_t>(mode)],
                      "--variant=minbase",
                      "--format=tar",
                      "--aptopt=APT::Install-Recommends \"false\"",
                      "--dpkgopt=force-unsafe-io",
                      "--dpkgopt=path-exclude=/usr/share/doc/*",
                      "--dpkgopt=path-include=/usr/share/doc/*/copyright",
                      "--dpkgopt=path-exclude=/usr/share/man/*",
                      "--dpkgopt=path-exclude=/usr/share/info/*",
                      "--dpkgopt=path-exclude=/usr/share/locale/*"};
    std::string include;
    for (const auto& package : what.include)
        include += (include.empty() ? "" : ",") + package;
    if (!include.empty())
        spec.arguments.push_back("--include=" + include);
    spec.arguments.push_back(what.suite);
    spec.arguments.push_back("-");
    if (!what.mirror.empty())
        spec.arguments.push_back(what.mirror);
    spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "TMPDIR=" + scratch};
    for (const char* name : {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HOME"})
        if (const char* value = std::getenv(name))
            spec.environment.push_back(std::string(name) + "=" + value);
    return spec;
}

double bootstrap_fraction(std::string_view line) {
    if (!line.starts_with("I: "))
        return -1;
    for (const auto& stage : stages)
        if (line.substr(3).starts_with(stage.message))
            return stage.fraction;
    return -1;
}

Error bootstrap_error(const std::string& errors, const Bootstrap& what) {
    for (const auto& sign : signs)
        if (errors.find(sign.text) != errors.npos)
            return Error(sign.code, "cannot build from " + what.suite + ": " + std::string(sign.message),
                         std::string(sign.hint))
                .with_details(errors);
    return Error(ErrorCode::Internal, "mmdebstrap failed to build " + what.suite, "look at the details")
        .with_details(errors);
}

BootstrapRun::BootstrapRun(ProcessSpec command, Progress progress, std::stop_token stop)
    : progress_(std::move(progress))
    , stop_(std::move(stop)) {
    auto [spec, end] = outside(std::move(command));
    end_ = std::move(end);
    auto [output_read, output_write] = make_pipe();
    auto [messages_read, messages_write] = make_pipe();
    spec.stdout_fd = output_write.get();
    spec.stderr_fd = messages_write.get();
    spec.new_session = true;
    spec.parent_death_signal = SIGTERM;
    child_ = spawn(spec);
    output_ = std::move(output_read);
    messages_ = std::move(messages_read);
}

BootstrapRun::~BootstrapRun() {
    if (!running_)
        return;
    output_.reset();
    messages_.reset();
    try {
        if (end_)
            run_checked(*end_);
        ::kill(-child_.pid, SIGTERM); // as a terminal does: it waits for its children, then removes its tree
        if (wait_child(child_, cleanup_ms))
            return;
        ::kill(-child_.pid, SIGKILL);
        wait_child(child_);
    } catch (const std::exception&) {
        // Nothing is left to be waited for.
    }
}

size_t BootstrapRun::read(char* buffer, size_t size) {
    for (;;) {
        throw_if_stopped(stop_);
        std::array<pollfd, 2> fds{{{output_.get(), POLLIN, 0}, {messages_.get(), POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), poll_ms) < 0 && errno != EINTR)
            throw_errno("poll");
        if (fds[1].revents)
            take_messages();
        if (!fds[0].revents)
            continue;
        const auto n = ::read(output_.get(), buffer, size);
        if (n >= 0)
            return static_cast<size_t>(n);
        if (errno != EINTR)
            throw_errno("read mmdebstrap's output");
    }
}

int BootstrapRun::wait() {
    output_.reset();
    while (messages_) {
        throw_if_stopped(stop_);
        if (wait_readable(messages_.get(), poll_ms))
            take_messages();
    }
    std::optional<int> status;
    while (!(status = wait_child(child_, poll_ms)))
        throw_if_stopped(stop_);
    running_ = false;
    return *status;
}

void BootstrapRun::take_messages() {
    char buffer[4096];
    const auto n = ::read(messages_.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        messages_.reset();
        return;
    }
    const std::string_view text(buffer, static_cast<size_t>(n));
    errors_ += text;
    line_ += text;
    if (errors_.size() > 2 * kept_errors)
        errors_.erase(0, errors_.size() - kept_errors);
    tell_lines();
}

void BootstrapRun::tell_lines() {
    for (auto end = line_.find('\n'); end != line_.npos; end = line_.find('\n')) {
        const auto line = std::string_view(line_).substr(0, end);
        if (const auto fraction = bootstrap_fraction(line); fraction >= 0)
            tell(progress_, line.substr(3), fraction);
        line_.erase(0, end + 1);
    }
    if (line_.size() > kept_errors)
        line_.clear();
}

} // namespace banger
