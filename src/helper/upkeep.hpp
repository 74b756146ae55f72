// What root asks of the helper's program without the bus: what the ledger holds, and to remove all of it. For
// `banger system`.
#pragma once

#include "helper/ledger.hpp"

#include <string>

namespace banger::helper {

/// All VMs in the ledger as a JSON array: {"uid": …, "vm": …, "running": …}, on one line. A VM runs when its
/// VMM's process does.
std::string list_vms(const Ledger& ledger);

/// Writes down of everything that it is being removed, as if a helper had been killed while doing so: the
/// mending that follows at every start then removes it, with the processes in it.
void condemn(Ledger& ledger);

/// Throws Internal when something is left in it after the mending; the log told why.
void require_empty(const Ledger& ledger);

} // namespace banger::helper
