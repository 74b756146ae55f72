// Hand-made archives and temporary folders for tests.
#pragma once

#include "base/file.hpp"
#include "base/op_id.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::test {

/// A folder below the temporary one, gone with the object.
class TemporaryFolder {
public:
    TemporaryFolder()
        : path_(std::string(std::getenv("TMPDIR") ? std::getenv("TMPDIR") : "/tmp") + "/banger-test-" +
                random_hex(8)) {
        make_directories(path_);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    ~TemporaryFolder() { remove_tree(path_); }
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

/// Collects an archive in memory.
class ArchiveMaker {
public:
    enum class Kind { Pax, Gnu, Ar, Raw };

    explicit ArchiveMaker(Kind kind = Kind::Pax, int filter = ARCHIVE_FILTER_NONE)
        : archive_(::archive_write_new()) {
        if (kind == Kind::Pax)
            ::archive_write_set_format_pax(archive_);
        else if (kind == Kind::Gnu)
            ::archive_write_set_format_gnutar(archive_);
        else if (kind == Kind::Ar)
            ::archive_write_set_format_ar_bsd(archive_);
        else
            ::archive_write_set_format_raw(archive_);
        ::archive_write_add_filter(archive_, filter);
        ::archive_write_set_bytes_per_block(archive_, 0);
        ::archive_write_open(archive_, &bytes_, nullptr, append, nullptr);
    }
    ArchiveMaker(const ArchiveMaker&) = delete;
    ~ArchiveMaker() { ::archive_write_free(archive_); }

    using Change = std::function<void(archive_entry*)>;

    ArchiveMaker& file(const std::string& path, std::string_view content, unsigned mode = 0644,
                       const Change& change = {}) {
        return add(path, AE_IFREG, mode, content, change);
    }
    ArchiveMaker& folder(const std::string& path, unsigned mode = 0755) {
        return add(path, AE_IFDIR, mode, {}, {});
    }
    ArchiveMaker& symlink(const std::string& path, const std::string& target) {
        return add(path, AE_IFLNK, 0777, {},
                   [&](archive_entry* e) { ::archive_entry_copy_symlink(e, target.c_str()); });
    }
    ArchiveMaker& hard_link(const std::string& path, const std::string& target) {
        return add(path, AE_IFREG, 0644, {},
                   [&](archive_entry* e) { ::archive_entry_copy_hardlink(e, target.c_str()); });
    }
    ArchiveMaker& device(const std::string& path, unsigned type, unsigned major, unsigned minor) {
        return add(path, type, 0600, {}, [&](archive_entry* e) {
            ::archive_entry_set_rdevmajor(e, major);
            ::archive_entry_set_rdevminor(e, minor);
        });
    }
    ArchiveMaker& add(const std::string& path, unsigned type, unsigned mode, std::string_view content,
                      const Change& change) {
        archive_entry* entry = ::archive_entry_new();
        ::archive_entry_copy_pathname(entry, path.c_str());
        ::archive_entry_set_filetype(entry, type);
        ::archive_entry_set_perm(entry, mode);
        ::archive_entry_set_mtime(entry, 1'700'000'000, 250'000'000);
        ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
        if (change)
            change(entry);
        ::archive_write_header(archive_, entry);
        ::archive_write_data(archive_, content.data(), content.size());
        ::archive_entry_free(entry);
        return *this;
    }
    const std::string& finish() {
        ::archive_write_close(archive_);
        return bytes_;
    }

private:
    static la_ssize_t append(archive*, void* self, const void* data, size_t size) {
        static_cast<std::string*>(self)->append(static_cast<const char*>(data), size);
        return static_cast<la_ssize_t>(size);
    }
    std::string bytes_;
    archive* archive_;
};

/// `content` through one of libarchive's compressors.
inline std::string compressed(std::string_view content, int filter) {
    ArchiveMaker maker(ArchiveMaker::Kind::Raw, filter);
    maker.file("data", content);
    return maker.finish();
}

} // namespace banger::test
