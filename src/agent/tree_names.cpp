#include "agent/tree_names.hpp"

#include "base/error.hpp"

namespace banger::agent {

std::string Renaming::renamed(const std::string& path) const {
    if (single_)
        return name_;
    if (path == ".")
        return name_;
    return name_.empty() ? path : name_ + "/" + path;
}

bool Renaming::apply(Entry& entry) {
    if (!begun_)
        single_ = entry.path != ".";
    else if (single_)
        throw Error(ErrorCode::InvalidArgument, "a transfer of a single file holds more than that");
    begun_ = true;
    if (single_ && name_.empty())
        throw Error(ErrorCode::FailedPrecondition, entry.path + " is no folder");
    if (entry.path == "." && name_.empty())
        return false;
    entry.path = renamed(entry.path);
    if (entry.type == EntryType::HardLink)
        entry.target = renamed(entry.target);
    return true;
}

std::optional<Entry> RenamedSource::next() {
    while (auto entry = source_.next())
        if (renaming_.apply(*entry))
            return entry;
    return std::nullopt;
}

} // namespace banger::agent
