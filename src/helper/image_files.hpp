// Files inside of VMs' disks, for those who hold a Grant.
#pragma once

#include "helper/image_child.hpp"
#include "helper/storage.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace banger::helper {

/// For the loop's thread. `done` is called once, in the loop.
class ImageFiles {
public:
    using Key = Grant<Action::GuestFiles>;

    ImageFiles(Ledger& ledger, Lanes& lanes, Workers& workers, Mapper& mapper, DiskChildren& children);

    void perform(const Key& grant, AccessImage request, const Done<std::string>& done);

private:
    void access(const install::Owner& owner, AccessImage request, const Turn& turn,
                const Done<std::string>& done);
    void with_file(const install::Owner& owner, AccessImage request, const Turn& turn,
                   const Done<std::string>& done);

    Ledger& ledger_;
    Lanes& lanes_;
    Workers& workers_;
    Mapper& mapper_;
    DiskChildren& children_;
};

} // namespace banger::helper
