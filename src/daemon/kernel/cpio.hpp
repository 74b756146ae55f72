// Writes the archive format that Linux unpacks as its first root: cpio "newc"
// (Documentation/driver-api/early-userspace/ buffer-format.rst). Always the same bytes for the same content:
// no times, root's, inodes counted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace banger {

class CpioWriter {
public:
    /// Paths are relative, without "./"; a folder comes before what is in it. Throws InvalidArgument for a
    /// path that is empty, absolute, has "..", or is longer than 4095 bytes, and for content of 4 GiB and
    /// more.
    void folder(std::string_view path, uint32_t mode = 0755);
    void file(std::string_view path, std::string_view content, uint32_t mode = 0644);
    void char_device(std::string_view path, uint32_t major, uint32_t minor, uint32_t mode);

    /// What was written so far, without the end mark: another writer can continue it.
    const std::string& bytes() const noexcept { return bytes_; }
    /// Writes the end mark and fills up to 512 bytes. Nothing may follow.
    std::string finish() &&;

    CpioWriter() = default;
    /// Continues what bytes() of another one gave.
    explicit CpioWriter(std::string begun);

private:
    struct Entry {
        uint32_t mode;
        uint32_t links;
        uint32_t major;
        uint32_t minor;
    };
    void add(std::string_view path, const Entry& entry, std::string_view content);
    void header(std::string_view path, uint32_t inode, const Entry& entry, size_t size);
    void pad(size_t to);

    std::string bytes_;
    uint32_t inode_ = 0;
};

} // namespace banger
