// Entries as values: the wire form and the rule for paths.
#include "agent/tree.hpp"

#include "agent/message.hpp"
#include "base/error.hpp"

#include <array>

namespace banger::agent {

namespace {

constexpr size_t max_path = 4095;
constexpr size_t max_part = 255;
constexpr std::array<std::string_view, 3> type_names{"file", "directory", "symlink"};

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
    if (entry.type == EntryType::Symlink)
        json["target"] = text_value(entry.target);
    if (entry.mtime_ns >= 0)
        json["mtime"] = entry.mtime_ns;
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
    if (entry.type == EntryType::Symlink)
        entry.target = message.needed_text("target", max_path);
    if (entry.path == "." && entry.type != EntryType::Directory)
        refuse_path();
    return entry;
}

} // namespace banger::agent
