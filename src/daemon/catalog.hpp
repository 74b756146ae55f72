// The owner's images and kernels: which there are, and the jobs that make new ones. For the loop's thread.
#pragma once

#include "base/names.hpp"
#include "daemon/catalog_objects.hpp"
#include "daemon/crew.hpp"
#include "daemon/image/build.hpp"
#include "daemon/job/jobs.hpp"
#include "daemon/kernel/import.hpp"
#include "daemon/requests.hpp"

#include <ctime>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace banger::daemon {

/// What ImportKernel is asked for: a package's name, or an open file.
struct KernelWish {
    std::optional<StoreName> name; ///< empty: the kernel's version
    std::string package;
    std::shared_ptr<const OwnedFd> file; ///< a Debian package or a kernel; null with `package`
};
/// Throws InvalidArgument.
KernelWish parse_kernel_wish(bus::Options& options);
/// All but the data folder, which is the daemon's. Throws InvalidArgument.
BuildRequest parse_build(bus::Options& options);

class Catalog {
public:
    Catalog(sdbus::IConnection& connection, Jobs& jobs, Crew& crew, std::string data_dir);
    Catalog(const Catalog&) = delete;

    /// Removes what interrupted jobs left, and puts what is there onto the bus, below an object manager.
    void load();

    /// Newest first, as they are on the disk now.
    std::vector<ImageInfo> images();
    std::vector<KernelInfo> kernels();
    /// The one of this name, or the newest. Throws NotFound with what to do.
    ImageInfo image(const std::optional<StoreName>& name);
    KernelInfo kernel(const std::optional<StoreName>& name);

    /// Throw NotFound; Busy while a job makes one of that name.
    void remove_image(const StoreName& name);
    void remove_kernel(const StoreName& name);

    /// Throw Busy when one of that name is being made, AlreadyExists when there is one.
    std::shared_ptr<Job> build(BuildRequest wanted, const Request& request);
    std::shared_ptr<Job> import(const KernelWish& wanted, const Request& request);

private:
    /// Looks at the disk again where the stores' folders have changed.
    void refresh();
    void claim(const std::string& thing);

    sdbus::IConnection& connection_;
    Jobs& jobs_;
    Crew& crew_;
    std::string data_dir_;
    std::vector<std::unique_ptr<ImageObject>> images_; ///< newest first
    std::vector<std::unique_ptr<KernelObject>> kernels_;
    timespec images_seen_{};
    timespec kernels_seen_{};
    std::set<std::string> in_the_making_; ///< "image bookworm"
};

} // namespace banger::daemon
