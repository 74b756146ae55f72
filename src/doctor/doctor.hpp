// The checks, by what they look at. None of them changes anything; each is quick, and none throws: what
// cannot be looked at is a finding too.
#pragma once

#include "doctor/check.hpp"
#include "install/metadata.hpp"

#include <optional>

namespace banger::doctor {

/// Is this host fit to run VMs: KVM, kernel, devices, programs.
Checks check_host();
/// The same, of the caller's own account: folders, subordinate ids.
Checks check_account();

/// The system install's own record; nothing when there is none, or it cannot be trusted, which `checks` then
/// tells. Outside of a system install one warning stands for all promises that do not hold there.
std::optional<install::Metadata> check_metadata(Checks& checks);
/// Files as the install left them, programs and folders root's alone.
Checks check_files(const install::Metadata& metadata);
/// The units and what of them is in force, asked from systemd.
Checks check_units(const install::Metadata& metadata);
/// What polkit answers to the caller; to root, for each owner and for a stranger.
Checks check_polkit(const install::Metadata& metadata);
/// Does the helper answer.
Checks check_helper(const install::Metadata& metadata);

/// All of them.
Checks examine();

} // namespace banger::doctor
