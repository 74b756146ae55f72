// What banger-jail is told to prepare for Firecracker's jailer, as a value, and as the words of a plan.
#pragma once

#include "jail/talk.hpp"

#include <string>
#include <vector>

namespace banger::jail {

enum class BindMode { ReadOnly, ReadWrite, Folder };

/// One file of the jail: what a descriptor holds, seen in there at `path`, which is /kernel, /initrd, /run or
/// /drives/NAME (NAME: 1 to 32 of a-z, 0-9 and -).
struct Bind {
    BindMode mode = BindMode::ReadOnly;
    std::string path;
    bool operator==(const Bind&) const = default;
};

/// The descriptors that go with it: standard output and error, jailer, firecracker, and one for each bind.
struct JailerPlan {
    std::string folder; ///< the jail's: absolute, of root's alone
    std::string vm;     ///< a VmId
    unsigned uid = 0;   ///< who Firecracker runs as; never root. The same for the next.
    unsigned gid = 0;
    std::vector<Bind> binds;
    bool operator==(const JailerPlan&) const = default;
};

/// Of the descriptors: how many come before those of the binds.
inline constexpr size_t descriptors_before_binds = 3;

/// Throws InvalidArgument for what parse_jailer_plan() refuses.
Plan to_plan(const JailerPlan& plan);
/// Throws InvalidArgument unless every word is as above and no path comes twice.
JailerPlan parse_jailer_plan(const Plan& plan);

} // namespace banger::jail
