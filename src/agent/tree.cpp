// Entries as values: the wire form and the rule for paths.
#include "agent/tree.hpp"

#include "agent/message.hpp"
#include "base/error.hpp"

#include <array>

namespace banger::agent {

namespace {

constexpr size_t max_path = 4095;
constexpr size_t max_part = 255;
constexpr int64_t max_id = UINT32_MAX - 1; // (uid_t)-1 means "as it is" to chown(2)
constexpr std::array<std::string_view, 4> type_names{"file", "directory", "symlink", "hardlink"};

[[noreturn]] void refuse_path() {
    throw Error(ErrorCode::InvalidArgument, "a path in a transfer is not a plain path beneath its directory");
}

EntryType parse_type(const std::string& name) {
    for (size_t i = 0; i < type_names.size(); i++)
        if (type_names.at(i) == name)
            return static_cast<EntryType>(i);
    throw Error(ErrorCode::Unsupported, "a transfer holds an entry of an unknown type");
}

} // namespace

void check_entry_path(std::string_view path) {
    if (path == ".")
        return;
    if (path.empty() || path.size() > max_path || path.find('\0') != path.npos)
        refuse_path();
    for (auto rest = path;;) {
        const auto slash = rest.find('/');
        const auto part = rest.substr(0, slash);
        if (part.empty() || part == "." || part == ".." || part.size() > max_part)
            refuse_path();
        if (slash == rest.npos)
            return;
        rest.remove_prefix(slash + 1);
    }
}

std::string encode_entry(const Entry& entry) {
    nlohmann::json json{{"path", text_value(entry.path)},
                        {"type", type_names.at(static_cast<size_t>(entry.type))},
                        {"mode", entry.mode}};
    if (entry.type == EntryType::File)
        json["size"] = entry.size;
    if (entry.type == EntryType::Symlink || entry.type == EntryType::HardLink)
        json["target"] = text_value(entry.target);
    if (entry.mtime_ns >= 0)
        json["mtime"] = entry.mtime_ns;
    if (entry.uid >= 0)
        json["uid"] = entry.uid;
    if (entry.gid >= 0)
        json["gid"] = entry.gid;
    return dump(json);
}

Entry parse_entry(std::string_view payload) {
    const Message message(payload);
    Entry entry;
    entry.path = message.needed_text("path", max_path);
    check_entry_path(entry.path);
    entry.type = parse_type(message.needed_text("type", 16));
    entry.mode =
        static_cast<uint32_t>(message.number("mode", 0, 07777, entry.type == EntryType::File ? 0644 : 0755));
    entry.mtime_ns = message.number("mtime", -1, INT64_MAX, -1);
    if (entry.type == EntryType::File)
        entry.size = static_cast<uint64_t>(message.number("size", 0, INT64_MAX, 0));
    entry.uid = message.number("uid", -1, max_id, -1);
    entry.gid = message.number("gid", -1, max_id, -1);
    if (entry.type == EntryType::Symlink || entry.type == EntryType::HardLink)
        entry.target = message.needed_text("target", max_path);
    if (entry.type == EntryType::HardLink)
        check_entry_path(entry.target);
    if (entry.path == "." && entry.type != EntryType::Directory)
        refuse_path();
    return entry;
}

} // namespace banger::agent
