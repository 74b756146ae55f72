// The registered owners, as the system install wrote them down, read anew when the file changes.
#pragma once

#include "install/metadata.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace banger::helper {

/// For the loop's thread.
class Owners {
public:
    explicit Owners(std::string path = install::metadata_path);

    /// The owner with this uid, if registered at this moment. A file that is absent, or not to be trusted,
    /// registers nobody.
    std::optional<install::Owner> find(uint32_t uid);

private:
    struct Stamp {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        timespec changed{};
        bool operator==(const Stamp& other) const noexcept;
    };

    void refresh();

    std::string path_;
    std::optional<Stamp> seen_;
    install::Metadata metadata_;
};

} // namespace banger::helper
