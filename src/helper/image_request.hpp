// What is asked of the process that reads and writes inside of disk images, and what it answers: values and
// their bytes.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace banger::helper {

inline constexpr size_t most_image_bytes = 4 << 20; ///< of a file read, and of all files of one call written
inline constexpr size_t most_image_files = 64;

/// A path inside of an image: absolute, without empty, "." and ".." components, at most 4095 bytes, no
/// component over 255 (ext4's limit), no control characters.
class ImagePath {
public:
    static ImagePath parse(std::string_view text);
    const std::string& str() const noexcept { return text_; }
    /// "/etc" of "/etc/hostname"; "/" of "/hostname".
    std::string folder() const;
    std::string leaf() const;
    bool operator==(const ImagePath&) const = default;

private:
    explicit ImagePath(std::string text)
        : text_(std::move(text)) {}
    std::string text_;
};

struct ImageFile {
    ImagePath path;
    std::string content;
    uint32_t mode = 0644; ///< permission bits, up to 07777
    uint32_t uid = 0;     ///< of the guest's accounts
    uint32_t gid = 0;
    bool operator==(const ImageFile&) const = default;
};

/// One path is read, or files are written.
struct ImageRequest {
    bool write = false;
    std::vector<ImageFile> files; ///< for reading: one, whose path counts
    bool operator==(const ImageRequest&) const = default;
};

/// Throws InvalidArgument for more files or bytes than may be, none, or one path twice.
void check_image_files(const std::vector<ImageFile>& files);

std::string render(const ImageRequest& request);
/// Throws InvalidArgument.
ImageRequest parse_image_request(std::string_view bytes);

/// The answer of the reading process: its result, or an Error.
std::string render_image_answer(std::string_view content);
std::string render_image_error(const Error& error);
/// Its content. Throws the Error that it holds, or Internal for what is no answer: it comes from a process
/// that a hostile image may have taken over.
std::string parse_image_answer(std::string_view bytes);

} // namespace banger::helper
