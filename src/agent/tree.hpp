// Trees of files on the wire: what an entry is, reading a tree from a filesystem, writing one beneath a
// directory and never outside of it. Both sides use both: the guest's agent in put and get, the host in `vm
// cp` and the workspace.
#pragma once

#include "base/fd.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace banger::agent {

enum class EntryType { File, Directory, Symlink, HardLink };

struct Entry {
    std::string path; ///< relative, without "." and ".." parts; "." itself is the tree's root
    EntryType type = EntryType::File;
    uint32_t mode = 0644;  ///< permission bits, 07777
    uint64_t size = 0;     ///< of a file's content
    std::string target{};  ///< of a symlink; of a hard link, the path of an earlier file of the transfer
    int64_t mtime_ns = -1; ///< nanoseconds since 1970; negative: not kept
    int64_t uid = -1;      ///< negative: not told; the same for gid
    int64_t gid = -1;
};

/// The payload of an Entry frame, and back; the path has been checked with check_entry_path().
std::string encode_entry(const Entry& entry);
Entry parse_entry(std::string_view payload);

/// Throws InvalidArgument unless `path` is "." or a relative path of 1 to 4095 bytes whose parts are not
/// empty, "." or ".." and at most 255 bytes each.
void check_entry_path(std::string_view path);

/// Where entries come from.
class EntrySource {
public:
    virtual ~EntrySource() = default;
    /// The next entry, or nothing at the end. What was not read of the last file is skipped.
    virtual std::optional<Entry> next() = 0;
    /// Content of the last file; 0 at its end. Gives exactly Entry::size bytes, or throws.
    virtual size_t read(std::span<char> buffer) = 0;
    /// Passes over a hole that begins where the next read would, and gives its size; 0 where there is none.
    virtual uint64_t hole() { return 0; }
    /// So many were left out, being neither file, directory nor symlink.
    virtual uint64_t skipped() const { return 0; }
};

/// Where entries go.
class EntrySink {
public:
    virtual ~EntrySink() = default;
    virtual void begin(const Entry& entry) = 0;
    virtual void data(std::string_view bytes) = 0;
    virtual void hole(uint64_t bytes) = 0; ///< as data() with so many zeros
    virtual void end() = 0;                ///< of the entry begun last
    virtual void finish() {}               ///< of all of them
};

/// What becomes of a root path that is a symlink.
enum class RootLink {
    Folder, ///< followed when it leads to a folder, else an entry
    Keep,   ///< an entry
    Follow, ///< followed; a file there is named like the symlink
};

struct ReadOptions {
    RootLink root = RootLink::Folder;
    bool holes = false;      ///< tell holes; else they are zeros
    bool hard_links = false; ///< tell hard links; else each is a file of its own
};

/// Reads a tree. Symlinks are entries, never followed (but the root path itself may be one).
class TreeReader : public EntrySource {
public:
    /// All below `path`, the root itself first, as "."; a file or (dangling or not) anything else than a
    /// directory is the single entry named like the last part of `path`.
    explicit TreeReader(const std::string& path, ReadOptions options = {});
    /// Only these, relative to the directory `path`; such as the files that git tracks. Their folders are not
    /// entries.
    TreeReader(const std::string& path, std::vector<std::string> paths);

    std::optional<Entry> next() override;
    size_t read(std::span<char> buffer) override;
    uint64_t hole() override;
    uint64_t skipped() const override { return skipped_; }

private:
    std::optional<Entry> describe(const std::string& path);
    void describe_file(Entry& entry, const struct stat& status);
    [[noreturn]] void throw_shorter() const;
    void push_children(const std::string& path);

    ReadOptions options_;
    OwnedFd root_;
    bool walk_;
    std::string alias_;                ///< the name of a single entry, where it is another than the file's
    std::vector<std::string> pending_; ///< the next one last
    OwnedFd file_;
    uint64_t left_ = 0;
    bool sparse_ = false;
    uint64_t data_left_ = 0; ///< of a sparse file: until the next hole
    std::map<std::pair<uint64_t, uint64_t>, std::string>
        linked_; ///< device and inode of files with more names
    std::string current_;
    uint64_t skipped_ = 0;
};

class FrameStream;
struct TransferSummary;

/// Sends all entries of `source`, then EntriesEnd. When the other side reports an error meanwhile, that is
/// thrown.
TransferSummary send_tree(FrameStream& stream, EntrySource& source);
/// Receives entries until EntriesEnd, into `sink`.
TransferSummary receive_tree(FrameStream& stream, EntrySink& sink);

/// Limits for what a stranger sends.
struct TreeLimits {
    uint64_t entries = 4'000'000;
    uint64_t bytes = uint64_t{1} << 40;
    uint32_t mode_mask = 07777; ///< the host takes at most 0777: no set-uid bits from a guest
    bool owner = false;         ///< files get the owners that the entries name
    bool keep_folders = false;  ///< folders that stood before keep their mode, owner and time
};

/// Writes entries beneath a directory: openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS for every
/// folder on the way, so that no path and no symlink, even one made by an earlier entry, leads out. A file or
/// symlink in the way of another is replaced; a directory gives way to nothing, and nothing to a directory. A
/// hard link leads only to a file that this writer put in place. A file is written beside its place and
/// renamed: readers see the old or the new one. Missing folders are made with 0755. No fsync: who needs it
/// calls sync(2).
class TreeWriter : public EntrySink {
public:
    /// `directory` is an open directory.
    explicit TreeWriter(OwnedFd directory, TreeLimits limits = {});
    TreeWriter(const TreeWriter&) = delete;
    TreeWriter& operator=(const TreeWriter&) = delete;
    ~TreeWriter() override;

    void begin(const Entry& entry) override;
    void data(std::string_view bytes) override;
    void hole(uint64_t bytes) override;
    void end() override;
    /// Gives the directories their modes and times, the deepest first.
    void finish() override;

private:
    /// What is kept of a directory: there may be millions.
    struct MadeDirectory {
        std::string path;
        uint32_t mode;
        int64_t mtime_ns;
        int64_t uid;
        int64_t gid;
    };
    using FileId = std::pair<uint64_t, uint64_t>; ///< device and inode
    struct HashFileId {
        size_t operator()(const FileId& id) const noexcept {
            return std::hash<uint64_t>{}(id.first * 31 + id.second);
        }
    };

    int folder_of(const std::string& path, std::string& name);
    OwnedFd open_folder(const std::string& path);
    void make_file(const Entry& entry);
    void make_directory(const Entry& entry);
    void keep_directory(const Entry& entry);
    void make_symlink(const Entry& entry);
    void make_hard_link(const Entry& entry);
    void take(uint64_t bytes);
    std::string temporary_name();
    void put_in_place(int folder, const std::string& temporary, const std::string& name);

    OwnedFd root_;
    TreeLimits limits_;
    std::unordered_map<std::string, OwnedFd> folders_; ///< a cache, so that a file costs few calls
    std::vector<MadeDirectory> directories_;           ///< to be given modes and times at the end
    size_t directory_bytes_ = 0;                       ///< of their paths
    std::unordered_set<FileId, HashFileId> placed_;    ///< what a hard link may lead to
    Entry entry_;
    OwnedFd file_;
    int folder_ = -1;       ///< where the file is made, as `temporary_`; in folders_ or root_
    std::string temporary_; ///< not in place yet; empty: nothing is under way
    std::string name_;
    uint64_t tag_ = 0;
    uint64_t made_ = 0;
    uint64_t left_ = 0;
    bool has_holes_ = false;
    uint64_t entries_ = 0;
    uint64_t bytes_ = 0;
};

} // namespace banger::agent
