// Transfers whose entries arrive under other names than they left with.
#pragma once

#include "agent/tree.hpp"

namespace banger::agent {

/// How the paths of a transfer change. The first entry decides: "." is a folder and what follows is below it;
/// anything else is a single file.
class Renaming {
public:
    /// `name`: of the folder or file where it arrives; empty: a folder's contents, without the folder.
    explicit Renaming(std::string name)
        : name_(std::move(name)) {}
    /// False: the entry is left out, being the folder whose contents alone are wanted.
    bool apply(Entry& entry);

private:
    std::string renamed(const std::string& path) const;

    std::string name_;
    bool begun_ = false;
    bool single_ = false;
};

/// The entries of another source, renamed.
class RenamedSource : public EntrySource {
public:
    RenamedSource(EntrySource& source, std::string name)
        : source_(source)
        , renaming_(std::move(name)) {}

    std::optional<Entry> next() override;
    size_t read(std::span<char> buffer) override { return source_.read(buffer); }
    uint64_t hole() override { return source_.hole(); }
    uint64_t skipped() const override { return source_.skipped(); }

private:
    EntrySource& source_;
    Renaming renaming_;
};

} // namespace banger::agent
