// From tar archives to an ext4 image: one archive for a built image, several layers for an OCI image.
#pragma once

#include "daemon/image/archive_reader.hpp"
#include "daemon/image/ext4_writer.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

namespace banger {

/// What an archive may ask for. Past it: InvalidArgument.
struct ArchiveLimits {
    uint64_t entries = 1'000'000;
    uint64_t content = 64ULL << 30; ///< bytes of all files together, holes counted
    uint64_t names =
        256 << 20; ///< bytes of all paths, targets and attributes together, which are held in memory
};

struct AssembleOptions {
    ArchiveLimits limits;
    std::set<std::string> leave_out; ///< paths ("etc/hostname") that are not taken over
    std::set<std::string> capture;   ///< paths of files whose content is wanted as well, up to 32 MiB each
};

struct AssembledImage {
    uint64_t entries = 0;
    uint64_t content = 0;      ///< bytes in files
    uint64_t used = 0;         ///< bytes of the blocks that they and the folders take
    uint64_t virtual_size = 0; ///< of the filesystem, and of the file
    std::map<std::string, std::string> captured;
};

/// Puts layers on each other, lowest first, into a new image file.
class ImageAssembler {
public:
    /// `size` 0: as large as the content asks for, plus an eighth and 128 MiB.
    ImageAssembler(const std::string& path, uint64_t size, AssembleOptions options, std::stop_token stop);

    /// Fills an image that make_ext4() made.
    ImageAssembler(const std::string& path, AssembleOptions options, std::stop_token stop);

    /// Adds a tar archive, plain or compressed. With `whiteouts`, names that begin with ".wh." remove what
    /// lower layers brought (OCI image specification, layer.md).
    void add(const ByteSource& source, const std::string& what, bool whiteouts);
    AssembledImage finish();

private:
    void add_entry(ArchiveReader& reader, archive_entry* entry, const std::string& path);
    void add_file(ArchiveReader& reader, archive_entry* entry, const std::string& path,
                  const Attributes& attributes);
    bool white_out(const std::string& path);
    void count(archive_entry* entry, const std::string& path);
    void shrink(uint64_t inodes);

    std::string path_;
    bool fitted_ = false;
    AssembleOptions options_;
    std::stop_token stop_;
    uint64_t names_ = 0;
    AssembledImage result_;
    std::optional<Ext4Writer> writer_;
};

/// The whole of it for one archive: makes `path` with a filesystem of `size` bytes (0: fitted) and fills it.
/// Throws Error; what is in `path` then is of no use.
AssembledImage write_ext4_from_archive(const ByteSource& source, const std::string& what,
                                       const std::string& path, uint64_t size, const AssembleOptions& options,
                                       const std::stop_token& stop);

} // namespace banger
