// Fetches a kernel package with apt, as the owner: nothing is installed, no root is needed, and apt checks
// the signatures.
#pragma once

#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// A stanza of `apt-cache show`, as far as it matters here.
struct PackageStanza {
    std::string name;
    std::string version;
    std::vector<std::string> needs; ///< real kernel packages among its dependencies, in order
};

/// Reads the first stanza; a stanza without a name has none. From a dependency the first alternative is
/// taken, if it is a versioned linux-image-… or linux-modules-… package.
PackageStanza parse_stanza(std::string_view text);

/// Throws InvalidArgument for what cannot be a Debian package's name.
void check_package_name(std::string_view name);

/// Downloads `package`, and the versioned kernel packages that it depends on (linux-image-cloud-amd64 is an
/// empty package that names one), into `folder`, which must be empty and stay. Uses the host's package lists;
/// where there are none, or old ones, it fetches its own into `folder`. Returns the packages' paths. Throws
/// NotFound (no such package), Unavailable (no apt, no network), FailedPrecondition (disk full), Cancelled.
std::vector<std::string> download_kernel_packages(const std::string& package, const std::string& folder,
                                                  const std::stop_token& stop);

} // namespace banger
