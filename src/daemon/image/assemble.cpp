#include "daemon/image/assemble.hpp"

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/size.hpp"
#include "daemon/image/ext4_format.hpp"
#include "daemon/image/progress.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

namespace banger {

namespace {

constexpr size_t capture_limit = 32 << 20;
/// Half of it is room for resize2fs: the first 64 MiB are inode tables of groups that are cut off, and what
/// lies behind them must stay within the new size.
constexpr uint64_t fitted_slack = 128 << 20;
/// The filesystem that a fitted image begins with. A sparse file, so only what is used costs anything.
constexpr uint64_t fitted_start = 16ULL << 30;
constexpr uint32_t bytes_per_inode = 8192;
constexpr size_t max_xattrs = 64;
constexpr std::string_view whiteout_prefix = ".wh.";
constexpr std::string_view opaque_marker = ".wh..wh..opq";

Attributes attributes_of(archive_entry* entry) {
    Attributes attributes;
    attributes.mode = static_cast<uint16_t>(::archive_entry_perm(entry) & 07777);
    const auto id = [](la_int64_t value) {
        if (value < 0 || value > 0xfffffffe) // the last one means "no such id" (chown(2))
            throw Error(ErrorCode::InvalidArgument, "an owner in the archive is out of range");
        return static_cast<uint32_t>(value);
    };
    attributes.uid = id(::archive_entry_uid(entry));
    attributes.gid = id(::archive_entry_gid(entry));
    attributes.mtime = ::archive_entry_mtime(entry);
    attributes.mtime_nsec =
        static_cast<uint32_t>(std::clamp(::archive_entry_mtime_nsec(entry), 0L, 999'999'999L));
    ::archive_entry_xattr_reset(entry);
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    while (::archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
        if (attributes.xattrs.size() >= max_xattrs)
            throw Error(ErrorCode::InvalidArgument, "a file in the archive has too many extended attributes");
        if (name)
            attributes.xattrs.emplace_back(name,
                                           std::string(static_cast<const char*>(value), value ? size : 0));
    }
    return attributes;
}

/// "./etc//hostname" → "etc/hostname".
std::string plain_path(const std::string& path) {
    std::string plain;
    for (const auto& part : split_image_path(path))
        plain += (plain.empty() ? "" : "/") + part;
    return plain;
}

std::string join(std::string_view folder, std::string_view name) {
    return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

} // namespace

ImageAssembler::ImageAssembler(const std::string& path, uint64_t size, AssembleOptions options,
                               std::stop_token stop)
    : path_(std::filesystem::absolute(path).string())
    , fitted_(size == 0)
    , options_(std::move(options))
    , stop_(std::move(stop)) {
    result_.virtual_size = fitted_ ? fitted_start : size / Ext4Volume::block_size * Ext4Volume::block_size;
    writer_.emplace(path_, result_.virtual_size, Ext4Options{false, bytes_per_inode});
}

ImageAssembler::ImageAssembler(const std::string& path, AssembleOptions options, std::stop_token stop)
    : path_(std::filesystem::absolute(path).string())
    , options_(std::move(options))
    , stop_(std::move(stop))
    , writer_(std::in_place, path_) {
    result_.virtual_size = std::filesystem::file_size(path_);
}

void ImageAssembler::add(const ByteSource& source, const std::string& what, bool whiteouts) {
    writer_->begin_layer();
    ArchiveReader reader(source, ArchiveKind::Tar, what);
    while (auto* entry = reader.next()) {
        throw_if_stopped(stop_);
        const auto path = plain_path(entry_path(entry));
        count(entry, path);
        if (options_.leave_out.contains(path) || (whiteouts && white_out(path)))
            continue;
        try {
            add_entry(reader, entry, path);
        } catch (Error& error) {
            throw error.with_details("while unpacking " + path);
        }
    }
}

void ImageAssembler::count(archive_entry* entry, const std::string& path) {
    const auto& limits = options_.limits;
    names_ += path.size() + entry_symlink(entry).size() + 64;
    if (++result_.entries > limits.entries || names_ > limits.names)
        throw Error(ErrorCode::InvalidArgument, "the archive holds more than " +
                                                    std::to_string(limits.entries) +
                                                    " entries, or very long names");
    const auto size = ::archive_entry_size(entry);
    if (::archive_entry_filetype(entry) != AE_IFREG || !entry_hardlink(entry).empty())
        return;
    if (size < 0 || static_cast<uint64_t>(size) > limits.content - result_.content)
        throw Error(ErrorCode::InvalidArgument,
                    "the archive unpacks to more than " + human_size(limits.content));
    result_.content += static_cast<uint64_t>(size);
}

/// True when the entry was a whiteout, and is done with.
bool ImageAssembler::white_out(const std::string& path) {
    const auto slash = path.rfind('/');
    const auto folder = slash == path.npos ? std::string_view() : std::string_view(path).substr(0, slash);
    const auto name = std::string_view(path).substr(slash == path.npos ? 0 : slash + 1);
    if (!name.starts_with(whiteout_prefix))
        return false;
    if (name == opaque_marker)
        writer_->empty_directory(folder);
    else if (const auto hidden = name.substr(whiteout_prefix.size());
             !hidden.empty() && hidden != "." && hidden != "..")
        writer_->remove(join(folder, hidden));
    return true; // other ".wh..wh." names are AUFS's own bookkeeping
}

void ImageAssembler::add_entry(ArchiveReader& reader, archive_entry* entry, const std::string& path) {
    if (const auto target = entry_hardlink(entry); !target.empty()) {
        writer_->hard_link(path, target);
        return;
    }
    const auto attributes = attributes_of(entry);
    const auto device = [&](FileKind kind) {
        writer_->device(path, kind, static_cast<uint32_t>(::archive_entry_rdevmajor(entry)),
                        static_cast<uint32_t>(::archive_entry_rdevminor(entry)), attributes);
    };
    switch (::archive_entry_filetype(entry)) {
    case AE_IFDIR:
        return writer_->directory(path, attributes);
    case AE_IFREG:
        return add_file(reader, entry, path, attributes);
    case AE_IFLNK:
        return writer_->symlink(path, entry_symlink(entry), attributes);
    case AE_IFCHR:
        return device(FileKind::CharDevice);
    case AE_IFBLK:
        return device(FileKind::BlockDevice);
    case AE_IFIFO:
        return device(FileKind::Fifo);
    default:
        return; // sockets mean nothing without their process
    }
}

void ImageAssembler::add_file(ArchiveReader& reader, archive_entry* entry, const std::string& path,
                              const Attributes& attributes) {
    const auto size = static_cast<uint64_t>(::archive_entry_size(entry));
    if (options_.capture.contains(path) && size <= capture_limit) {
        const auto& content = result_.captured[path] = reader.read_all(capture_limit);
        writer_->file(path, attributes, size, content_of(content));
        return;
    }
    writer_->file(path, attributes, size, [&](uint64_t& offset, std::string_view& data) {
        throw_if_stopped(stop_);
        return reader.next_block(offset, data);
    });
}

/// Cuts an image that began large down to its content. resize2fs moves the little that lies too far back.
void ImageAssembler::shrink(uint64_t inodes) {
    // The eighth covers the inode tables (256 bytes in 8192) and the rest of the filesystem's own needs.
    const auto wanted = std::max(result_.used, inodes * bytes_per_inode) / 8 * 9 + fitted_slack;
    if (wanted >= result_.virtual_size)
        return;
    ProcessSpec spec;
    spec.program = find_program("resize2fs", "e2fsprogs");
    spec.arguments = {"-f", path_, std::to_string(wanted / 1024) + "K"};
    RunLimits limits;
    limits.stop = stop_;
    run_checked(std::move(spec), limits);
    struct stat status{};
    if (::stat(path_.c_str(), &status) < 0)
        throw_errno("stat " + path_);
    result_.virtual_size = static_cast<uint64_t>(status.st_size);
}

AssembledImage ImageAssembler::finish() {
    const auto written = writer_->finish();
    result_.used = written.bytes;
    writer_.reset();
    if (fitted_)
        shrink(written.inodes);
    return std::move(result_);
}

AssembledImage write_ext4_from_archive(const ByteSource& source, const std::string& what,
                                       const std::string& path, uint64_t size, const AssembleOptions& options,
                                       const std::stop_token& stop) {
    ImageAssembler assembler(path, size, options, stop);
    assembler.add(source, what, false);
    return assembler.finish();
}

} // namespace banger
