// Being small for something that runs all day.
#pragma once

namespace banger::daemon {

/// Before there are threads: few malloc arenas, early trimming, small thread stacks (workers are shallow).
void be_modest();

/// After a burst of work: free heap goes back to the system, and program text that has been read in is
/// unmapped (madvise(2), MADV_DONTNEED; it stays in the page cache, and comes back page by page where it is
/// used again). Most of it is libraries' initialisation, which does not run twice.
void give_back_memory();

} // namespace banger::daemon
