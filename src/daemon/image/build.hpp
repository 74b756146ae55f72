// Builds an image from a distribution's packages.
#pragma once

#include "daemon/image/image_store.hpp"
#include "daemon/image/progress.hpp"

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace banger {

struct BuildRequest {
    std::string name;                   ///< the image's
    std::string suite;                  ///< "bookworm"
    std::vector<std::string> include{}; ///< packages beyond the essential ones
    std::string mirror{};               ///< a URL; empty: the distribution's own
    uint64_t size_bytes = uint64_t{2}
                          << 30; ///< of the filesystem, in a sparse file; 0: fitted to the content
    std::string data_dir;        ///< the owner's, as xdg_data_dir() gives it
    bool replace = false;        ///< an image of that name is replaced once the new one is complete
};

/// Runs mmdebstrap as the calling user and writes what it gives straight into an ext4 image. Blocks, for a
/// minute or so. Throws Error: InvalidArgument, AlreadyExists, FailedPrecondition (disk full, no subordinate
/// ids), NotFound (suite, package), Unavailable (mirror, mmdebstrap), Cancelled; with the end of mmdebstrap's
/// messages as details. Nothing is left behind then.
ImageInfo build_image(const BuildRequest& request, const std::stop_token& stop, const Progress& progress);

/// The installed packages of a dpkg status file, as "name version", sorted.
std::vector<std::string> installed_packages(std::string_view dpkg_status);

} // namespace banger
