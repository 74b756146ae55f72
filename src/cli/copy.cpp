#include "cli/copy.hpp"

#include "agent/client.hpp"
#include "agent/tree_names.hpp"
#include "cli/session.hpp"
#include "cli/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>

namespace banger::cli {

namespace {

constexpr std::chrono::seconds answer_limit{30};

/// What a guest says must not make a set-uid program here, nor a file that more people write than the owner
/// allows for.
uint32_t allowed_modes() {
    const mode_t masked = ::umask(077);
    ::umask(masked);
    return 0777 & ~masked;
}

[[noreturn]] void throw_no_folder(const std::string& folder, const std::string& where) {
    throw Error(ErrorCode::NotFound, "there is no folder " + safe_text(folder, false) + where,
                "make it first: folders on the way to a copy are not made");
}

/// Writes what comes from a guest. Where it goes shows when the first entry is known.
class LocalSink : public agent::EntrySink {
public:
    LocalSink(std::string source, std::string target, CopyOptions options, CopyMeter& meter)
        : source_(std::move(source))
        , target_(std::move(target))
        , options_(options)
        , meter_(meter) {}

    void begin(const agent::Entry& entry) override {
        if (!writer_)
            open(entry);
        auto renamed = entry;
        taken_ = renaming_->apply(renamed);
        meter_.begin(renamed);
        if (taken_)
            writer_->begin(renamed);
    }
    void data(std::string_view bytes) override {
        meter_.add(bytes.size());
        writer_->data(bytes);
    }
    void hole(uint64_t bytes) override {
        meter_.add(bytes);
        writer_->hole(bytes);
    }
    void end() override {
        if (taken_)
            writer_->end();
    }
    void finish() override {
        if (writer_)
            writer_->finish();
    }

private:
    void open(const agent::Entry& first) {
        const bool folder = first.type == agent::EntryType::Directory;
        const auto placement = place_copy(thing_at(source_, folder), target_, local_status(target_));
        if (local_status(placement.folder).type != agent::PathType::Directory)
            throw_no_folder(placement.folder, "");
        agent::TreeLimits limits;
        limits.mode_mask = allowed_modes();
        limits.keep_folders = true;
        limits.owner = options_.archive;
        writer_.emplace(open_file(placement.folder, O_RDONLY | O_DIRECTORY), limits);
        renaming_.emplace(placement.name);
    }

    std::string source_;
    std::string target_;
    CopyOptions options_;
    CopyMeter& meter_;
    std::optional<agent::TreeWriter> writer_;
    std::optional<agent::Renaming> renaming_;
    bool taken_ = false;
};

void need_something(const agent::TransferSummary& summary, const std::string& path) {
    if (summary.files == 0 && summary.skipped > 0)
        throw Error(ErrorCode::Unsupported,
                    safe_text(path, false) + " is a socket, a device or a pipe, which is not copied");
}

} // namespace

agent::PathStatus local_status(const std::string& path) {
    struct stat status{};
    agent::PathStatus result{agent::PathType::Other};
    if (::stat(path.c_str(), &status) < 0 && ::lstat(path.c_str(), &status) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            throw_errno("look at " + path);
        result.type = agent::PathType::None;
    } else if (S_ISREG(status.st_mode)) {
        result.type = agent::PathType::File;
    } else if (S_ISDIR(status.st_mode)) {
        result.type = agent::PathType::Directory;
    } else if (S_ISLNK(status.st_mode)) {
        result.type = agent::PathType::Symlink;
    }
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (real)
        result.path = real.get();
    return result;
}

OwnedFd Copier::session_of(const std::string& vm) {
    if (stop_.stop_requested())
        throw Error(ErrorCode::Cancelled, "cancelled");
    return open_session(manager_, vm);
}

agent::PathStatus Copier::status(const CopyPath& path) {
    const auto session = session_of(path.vm);
    return agent::stat(session.get(), {path.path}, agent::Clock::now() + answer_limit, manager_.op(), stop_);
}

void Copier::need_folder(const CopyPath& target, const agent::PathStatus& there) const {
    if (options_.several && there.type != agent::PathType::Directory)
        throw_no_folder(target.path, target.vm.empty() ? "" : " in " + target.vm);
}

agent::TransferSummary Copier::in(const std::string& path, const CopyPath& target) {
    const auto there = status(target);
    need_folder(target, there);
    if (options_.archive && there.entries < 2)
        throw Error(ErrorCode::Unsupported, "the guest's agent is too old to keep owners",
                    "start the VM anew to give it this version's agent");
    struct stat source{};
    if (::fstatat(AT_FDCWD, path.c_str(), &source, options_.follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
        throw_errno("read " + path);
    const auto placement = place_copy(thing_at(path, S_ISDIR(source.st_mode)), target.path, there);
    if (there.type == agent::PathType::None || there.type == agent::PathType::Symlink)
        if (status({target.vm, placement.folder}).type != agent::PathType::Directory)
            throw_no_folder(placement.folder, " in " + target.vm);
    agent::ReadOptions how;
    how.root = options_.follow ? agent::RootLink::Follow : agent::RootLink::Keep;
    how.holes = how.hard_links = there.entries >= 2;
    agent::TreeReader reader(path, how);
    agent::RenamedSource renamed(reader, placement.name);
    MeteredSource source_entries(renamed, meter_);
    const auto session = session_of(target.vm);
    agent::PutRequest request{placement.folder};
    request.owner = options_.archive;
    const auto summary = agent::put(session.get(), request, source_entries, manager_.op(), stop_);
    meter_.clear();
    need_something(summary, path);
    return summary;
}

agent::TransferSummary Copier::out(const CopyPath& source, const std::string& path) {
    need_folder({"", path}, local_status(path));
    LocalSink sink(source.path, path, options_, meter_);
    const auto session = session_of(source.vm);
    const agent::GetRequest request{source.path, options_.follow, agent::entry_level};
    const auto summary = agent::get(session.get(), request, sink, manager_.op(), stop_);
    meter_.clear();
    need_something(summary, source.path);
    return summary;
}

} // namespace banger::cli
