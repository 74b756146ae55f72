#include "daemon/image/archive_reader.hpp"

#include "base/error.hpp"
#include "base/fd.hpp"
#include "daemon/image/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace banger {

namespace {

constexpr size_t buffer_size = 256 << 10;
constexpr int stop_poll_ms = 100;

/// libarchive keeps a name in the form it was found in and converts on demand; the "C" locale cannot take a
/// pax header's UTF-8, but then the UTF-8 form is there.
std::string either(const char* bytes, const char* utf8) {
    return bytes ? bytes : utf8 ? utf8 : "";
}

} // namespace

ByteSource read_from(int fd, std::stop_token stop, std::string what) {
    return [fd, stop = std::move(stop), what = std::move(what)](char* buffer, size_t size) -> size_t {
        do
            throw_if_stopped(stop);
        while (!wait_readable(fd, stop_poll_ms));
        for (;;) {
            const auto n = ::read(fd, buffer, size);
            if (n >= 0)
                return static_cast<size_t>(n);
            if (errno != EINTR)
                throw_errno("read " + what);
        }
    };
}

ByteSource read_from(std::string_view bytes) {
    return [bytes](char* buffer, size_t size) mutable -> size_t {
        const auto n = std::min(size, bytes.size());
        std::memcpy(buffer, bytes.data(), n);
        bytes.remove_prefix(n);
        return n;
    };
}

ArchiveReader::ArchiveReader(ByteSource source, ArchiveKind kind, std::string what)
    : source_(std::move(source))
    , what_(std::move(what))
    , buffer_(buffer_size)
    , archive_(::archive_read_new(), ::archive_read_free) {
    auto* a = archive_.get();
    if (!a)
        throw Error(ErrorCode::Internal, "no memory to read " + what_);
    switch (kind) {
    case ArchiveKind::Tar:
        ::archive_read_support_format_tar(a);
        ::archive_read_support_format_empty(a);
        break;
    case ArchiveKind::Ar:
        ::archive_read_support_format_ar(a);
        break;
    case ArchiveKind::Raw:
        ::archive_read_support_format_raw(a);
        break;
    }
    if (kind != ArchiveKind::Ar) {
        ::archive_read_support_filter_gzip(a);
        ::archive_read_support_filter_bzip2(a);
        ::archive_read_support_filter_xz(a);
        ::archive_read_support_filter_lzma(a);
        ::archive_read_support_filter_zstd(a);
        ::archive_read_support_filter_lz4(a);
    }
    if (::archive_read_open(a, this, nullptr, on_read, nullptr) != ARCHIVE_OK)
        fail("open");
}

la_ssize_t ArchiveReader::on_read(archive* a, void* self, const void** buffer) {
    auto& reader = *static_cast<ArchiveReader*>(self);
    try {
        *buffer = reader.buffer_.data();
        return static_cast<la_ssize_t>(reader.source_(reader.buffer_.data(), reader.buffer_.size()));
    } catch (...) {
        reader.thrown_ = std::current_exception();
        ::archive_set_error(a, EIO, "the source failed");
        return -1;
    }
}

void ArchiveReader::fail(std::string_view doing) {
    if (thrown_)
        std::rethrow_exception(std::exchange(thrown_, nullptr));
    const char* why = ::archive_error_string(archive_.get());
    throw Error(ErrorCode::InvalidArgument,
                "cannot " + std::string(doing) + " " + what_ + ": " + (why ? why : "it is damaged"),
                "the file is damaged, cut short, or not of the expected kind");
}

archive_entry* ArchiveReader::next() {
    archive_entry* entry = nullptr;
    const int result = ::archive_read_next_header(archive_.get(), &entry);
    if (result == ARCHIVE_EOF)
        return nullptr;
    if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
        fail("read");
    return entry;
}

size_t ArchiveReader::read(char* buffer, size_t size) {
    const auto n = ::archive_read_data(archive_.get(), buffer, size);
    if (n < 0)
        fail("read");
    return static_cast<size_t>(n);
}

bool ArchiveReader::next_block(uint64_t& offset, std::string_view& data) {
    const void* bytes = nullptr;
    size_t size = 0;
    la_int64_t at = 0;
    const int result = ::archive_read_data_block(archive_.get(), &bytes, &size, &at);
    if (result == ARCHIVE_EOF)
        return false;
    if ((result != ARCHIVE_OK && result != ARCHIVE_WARN) || at < 0)
        fail("read");
    offset = static_cast<uint64_t>(at);
    data = {static_cast<const char*>(bytes), size};
    return true;
}

std::string ArchiveReader::read_all(uint64_t limit) {
    std::string content;
    char buffer[64 << 10];
    while (const auto n = read(buffer, sizeof buffer)) {
        if (content.size() + n > limit)
            throw Error(ErrorCode::InvalidArgument,
                        "an entry of " + what_ + " is larger than " + std::to_string(limit) + " bytes");
        content.append(buffer, n);
    }
    return content;
}

std::string entry_path(archive_entry* entry) {
    return either(::archive_entry_pathname(entry), ::archive_entry_pathname_utf8(entry));
}
std::string entry_symlink(archive_entry* entry) {
    return either(::archive_entry_symlink(entry), ::archive_entry_symlink_utf8(entry));
}
std::string entry_hardlink(archive_entry* entry) {
    return either(::archive_entry_hardlink(entry), ::archive_entry_hardlink_utf8(entry));
}

} // namespace banger
