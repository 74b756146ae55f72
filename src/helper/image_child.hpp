// The process that reads and writes inside of disk images. What is in an image comes from a guest, and ext4
// is a lot to parse: so it is done by a new process of the helper's own program, not by a fork of the helper.
// A fork would have the helper's memory, with what other owners have told it, its threads' locks in any
// state, and its layout of addresses for a hostile image to learn from.
#pragma once

#include "helper/disk_child.hpp"
#include "helper/image_request.hpp"

#include <string>

namespace banger::helper {

inline constexpr const char* image_child_mode = "--image-files";

/// The helper's side: runs that process (disk_child.hpp) for the image that `image` has open, and gives its
/// answer's content. Throws what it answers; Timeout after a minute; Internal when it died.
/// Blocks.
std::string run_image_child(DiskChildren& children, int image, unsigned owner, const ImageRequest& request);

/// The other side: limits, then a filter of system calls, then the request from standard input and the answer
/// to standard output. Does not return.
[[noreturn]] void image_child_main(const std::string& image);

} // namespace banger::helper
