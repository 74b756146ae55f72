// What banger-jail is told for a jail that Firecracker's own jailer makes.
#pragma once

#include "helper/jail.hpp"
#include "jail/talk.hpp"

#include <vector>

namespace banger::helper {

struct JailerStart {
    jail::Plan plan;
    std::vector<int> descriptors; ///< borrowed from the spec
};

/// Files are where bubblewrap's jails have them.
JailerStart jailer_start(const JailSpec& spec);

} // namespace banger::helper
