// A store entry in the making: a folder that appears under its name all at once, or not at all.
#pragma once

#include "base/fd.hpp"
#include "base/names.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// A folder `<store>/.new-<random>/`, locked with flock(2) for as long as this object lives. Unless published
/// it is removed with the object; after a crash clean_unfinished() finds it without a lock and removes it.
class Staging {
public:
    /// Makes `store` (mode 0700) where it is not there yet. Throws Error.
    static Staging make(const std::string& store);
    Staging(Staging&& other) noexcept;
    Staging(const Staging&) = delete;
    ~Staging();

    const std::string& path() const noexcept { return path_; }
    /// Writes everything to the disk and gives the folder its name in one step. Throws AlreadyExists when the
    /// name is taken, unless `replace`: then the two change places, and the old one is removed. Returns the
    /// final path.
    std::string publish(const StoreName& name, bool replace = false);

private:
    Staging(std::string store, std::string path, OwnedFd lock);

    std::string store_;
    std::string path_; ///< empty once published
    OwnedFd lock_;
};

/// Throws AlreadyExists, with a hint, when `<store>/<name>` is there; for refusing before any work is done.
void refuse_existing(const std::string& store, const StoreName& name, std::string_view noun);

/// The names in a store: every folder but the hidden ones, sorted. No store: none.
std::vector<StoreName> names_in_store(const std::string& store);

/// Removes `<store>/<name>`: hides it first with a rename, so that nobody meets a half. Throws NotFound.
void delete_from_store(const std::string& store, const StoreName& name, std::string_view noun);

/// Removes what killed builds left in `<data_dir>/images` and `<data_dir>/kernels` (and the temporary folders
/// that they wrote down), but never a folder whose lock a living process holds. Returns what it removed.
std::vector<std::string> clean_unfinished(const std::string& data_dir);

/// Now, as "2025-01-31T12:00:00Z".
std::string utc_now();

} // namespace banger
