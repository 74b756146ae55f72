// What the root helper gave out, asked of the helper's own program: the ledger is its affair.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace banger::install {

struct KnownVm {
    unsigned uid = 0;
    std::string vm; ///< its id
    bool running = false;
};

/// All VMs in the ledger, of all owners; `banger helper --list`.
std::vector<KnownVm> known_vms();
/// The parsing of what that prints; throws Internal.
std::vector<KnownVm> parse_known_vms(std::string_view text);

/// Ends all VMs, and removes all that the ledger knows of: jails, links, devices; `banger helper
/// --remove-all`. The helper must not run.
void remove_everything();

} // namespace banger::install
