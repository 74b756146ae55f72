// banger-jail's own descriptors: out of the way of the numbers that others are placed at, and placed there.
#pragma once

#include "base/fd.hpp"
#include "jail/talk.hpp"

namespace banger::jail {

/// Out of the way of all numbers that descriptors are placed at.
inline constexpr int aside = first_number + static_cast<int>(descriptors_limit);

/// The same open file under a number from `aside` on, close-on-exec. Throws Error.
OwnedFd moved_aside(int fd);
/// The same open file under this number, kept by what is executed. Throws Error.
void place(int fd, int number);
/// What is executed gets none from this number on.
void close_from(int number) noexcept;

} // namespace banger::jail
