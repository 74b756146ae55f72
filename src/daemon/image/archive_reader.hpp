// libarchive, wrapped: archives come from strangers, so errors are Errors, and no outside program ever runs
// for a filter.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// Gives up to `size` further bytes; 0 at the end. May throw.
using ByteSource = std::function<size_t(char* buffer, size_t size)>;

/// Reads from a descriptor (not owned), looking at `stop` ten times a second.
ByteSource read_from(int fd, std::stop_token stop, std::string what);
/// Reads from memory, which must outlive the source.
ByteSource read_from(std::string_view bytes);

enum class ArchiveKind {
    Tar, ///< a tar file, plain or compressed
    Ar,  ///< a Debian package's outer shell
    Raw, ///< one compressed stream, no archive in it
};

class ArchiveReader {
public:
    /// `what` names the archive in errors. Understands gzip, bzip2, xz, lzma, zstd and lz4, all within this
    /// process.
    ArchiveReader(ByteSource source, ArchiveKind kind, std::string what);
    ArchiveReader(const ArchiveReader&) = delete;

    /// The next entry, or nothing at the end. It belongs to the reader and holds until the next call.
    archive_entry* next();
    /// Up to `size` bytes of this entry's content; 0 at its end.
    size_t read(char* buffer, size_t size);
    /// The next piece of this entry's content with its place in it (holes are left out); false at the end. It
    /// holds until the next call.
    bool next_block(uint64_t& offset, std::string_view& data);
    /// The whole content; more than `limit` bytes is an Error.
    std::string read_all(uint64_t limit);

private:
    static la_ssize_t on_read(archive* a, void* self, const void** buffer);
    [[noreturn]] void fail(std::string_view doing);

    ByteSource source_;
    std::string what_;
    std::vector<char> buffer_;
    std::exception_ptr thrown_; ///< by the source, on its way around libarchive's C frames
    std::unique_ptr<archive, int (*)(archive*)> archive_;
};

/// The entry's path, symlink target or hard link target as the bytes that stand in the archive, whatever the
/// process's locale; empty when there is none.
std::string entry_path(archive_entry* entry);
std::string entry_symlink(archive_entry* entry);
std::string entry_hardlink(archive_entry* entry);

} // namespace banger
