// Files inside of an ext4, by libext2fs: nothing is mounted. Only for the process that image_child.hpp
// describes.
#pragma once

#include "helper/image_request.hpp"

#include <string>

namespace banger::helper {

/// Reads the regular file at `path`. Symlinks are followed, inside of the image. NotFound,
/// FailedPrecondition, InvalidArgument (no ext4).
std::string read_image_file(int image, const ImagePath& path);
/// Writes files, each anew in the place of what had its name (a symlink too, not what it points to); folders
/// on the way are made, root's, 0755. FailedPrecondition for a filesystem that has to be checked first.
void write_image_files(int image, const std::vector<ImageFile>& files);

} // namespace banger::helper
