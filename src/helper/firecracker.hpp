// Firecracker and its jailer, as an administrator installed them: found, trusted or not, asked for their
// version.
#pragma once

#include "base/error.hpp"
#include "base/fd.hpp"
#include "install/metadata.hpp"

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace banger::helper {

/// As "Firecracker v1.16.1" has it.
struct ProgramVersion {
    unsigned major = 0;
    unsigned minor = 0;
    std::string text; ///< all of it: "1.16.1", "1.17.0-dev"
    bool operator==(const ProgramVersion&) const = default;
};

/// Of the first line of what `name` ("Firecracker", "Jailer") says about its version; nothing when it is of
/// another form.
std::optional<ProgramVersion> parse_program_version(std::string_view name, std::string_view output);

/// Below that, Firecracker's API lacks what banger asks for.
inline constexpr std::pair<unsigned, unsigned> least_firecracker{1, 10};

struct FirecrackerPrograms {
    OwnedFd firecracker;
    OwnedFd jailer;
    std::string version; ///< of both
};

/// For any thread; one at a time looks.
class FirecrackerFinder {
public:
    /// Where the install's own record at `metadata` says (`banger system install --firecracker, --jailer`),
    /// else in these folders, of which the first that has a program wins.
    explicit FirecrackerFinder(std::vector<std::string> folders = {"/usr/local/bin", "/usr/bin",
                                                                   "/usr/libexec/banger"},
                               std::string metadata = install::metadata_path);

    /// Both, opened: what is executed later are these very files. Throws Unavailable when one is missing, and
    /// FailedPrecondition when one is not a regular file that root alone can write, in folders of which the
    /// same holds; when it does not tell its version; when that is too old; when the two differ. Runs each
    /// with --version, as nobody, once as long as it stays the same file: up to five seconds.
    FirecrackerPrograms open();

private:
    /// What changes when a file does (stat(2)).
    using Identity = std::array<int64_t, 5>;
    struct Known {
        Identity identity{};
        std::optional<ProgramVersion> version;
    };
    struct Program {
        OwnedFd file;
        ProgramVersion version;
    };

    Program open_program(const std::string& file_name, const std::string& chosen, Known& known) const;
    static std::optional<Program> open_at(const std::string& path, std::string_view name, Known& known);

    std::vector<std::string> folders_;
    std::string metadata_;
    std::mutex mutex_;
    Known firecracker_, jailer_;
};

} // namespace banger::helper
