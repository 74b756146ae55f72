// The owner's images: <data_dir>/images/<name>/{rootfs.ext4,metadata.json}.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// One image. Text fields are empty where they do not apply.
struct ImageInfo {
    std::string name;
    std::string path;                  ///< of rootfs.ext4, absolute when data_dir was
    uint64_t size = 0;                 ///< bytes that it takes on the disk now
    uint64_t virtual_size = 0;         ///< bytes that a guest sees
    std::string suite;                 ///< "bookworm"
    std::string source;                ///< where it came from: "mmdebstrap bookworm"
    std::string created_at;            ///< "2025-01-31T12:00:00Z"
    std::vector<std::string> packages; ///< "bash 5.2.15-2+b9", sorted
};

inline constexpr const char* image_file_name = "rootfs.ext4";

/// `<data_dir>/images`.
std::string image_store(const std::string& data_dir);
/// What goes into metadata.json, as text; the opposite throws Error for what is no such file.
std::string image_metadata(const ImageInfo& image);
ImageInfo parse_image_metadata(std::string_view text);

/// All images, by name. A folder without readable metadata is left out.
std::vector<ImageInfo> list_images(const std::string& data_dir);
/// Throws NotFound (or InvalidArgument for what cannot be a name).
ImageInfo find_image(const std::string& data_dir, std::string_view name);
/// Running VMs keep the file that they have open. Throws NotFound.
void delete_image(const std::string& data_dir, std::string_view name);

} // namespace banger
