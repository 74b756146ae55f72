#include "daemon/kernel/cpio.hpp"

#include "base/error.hpp"

#include <sys/stat.h>

#include <cstdio>

namespace banger {

namespace {

constexpr std::string_view end_mark = "TRAILER!!!";
constexpr size_t alignment = 4;
constexpr size_t block = 512;
/// A continued archive counts on from here: no two inodes are the same, which would make hard links of them.
constexpr uint32_t continued_inode = 1'000'000;

void check_path(std::string_view path) {
    const bool climbs =
        path == ".." || path.starts_with("../") || path.ends_with("/..") || path.find("/../") != path.npos;
    if (path.empty() || path.front() == '/' || climbs || path.size() > 4095 || path.find('\0') != path.npos)
        throw Error(ErrorCode::InvalidArgument, "not a path for an initramfs: " + std::string(path));
}

} // namespace

CpioWriter::CpioWriter(std::string begun)
    : bytes_(std::move(begun))
    , inode_(continued_inode) {}

void CpioWriter::pad(size_t to) {
    bytes_.append((to - bytes_.size() % to) % to, '\0');
}

void CpioWriter::header(std::string_view path, uint32_t inode, const Entry& entry, size_t size) {
    char text[111];
    std::snprintf(text, sizeof text, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", inode,
                  entry.mode, 0U /* uid */, 0U /* gid */, entry.links, 0U /* mtime */,
                  static_cast<unsigned>(size), 0U, 0U, entry.major, entry.minor,
                  static_cast<unsigned>(path.size() + 1), 0U /* no checksum */);
    bytes_ += text;
    bytes_ += path;
    bytes_ += '\0';
    pad(alignment);
}

void CpioWriter::add(std::string_view path, const Entry& entry, std::string_view content) {
    check_path(path);
    if (content.size() > 0xffffffff)
        throw Error(ErrorCode::InvalidArgument, "too large for an initramfs: " + std::string(path));
    header(path, ++inode_, entry, content.size());
    bytes_ += content;
    pad(alignment);
}

void CpioWriter::folder(std::string_view path, uint32_t mode) {
    add(path, {S_IFDIR | mode, 2, 0, 0}, {});
}
void CpioWriter::file(std::string_view path, std::string_view content, uint32_t mode) {
    add(path, {S_IFREG | mode, 1, 0, 0}, content);
}
void CpioWriter::char_device(std::string_view path, uint32_t major, uint32_t minor, uint32_t mode) {
    add(path, {S_IFCHR | mode, 1, major, minor}, {});
}

std::string CpioWriter::finish() && {
    header(end_mark, 0, {0, 1, 0, 0}, 0);
    pad(block);
    return std::move(bytes_);
}

} // namespace banger
