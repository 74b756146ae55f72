// Answers and small control messages as JSON, and back.
#include "agent/message.hpp"
#include "agent/protocol.hpp"
#include "base/names.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace banger::agent {

namespace {

constexpr size_t max_text = 4096;
constexpr size_t max_ports = 512;
constexpr size_t max_disks = 16;

constexpr std::array<std::string_view, 5> path_types{"none", "file", "directory", "symlink", "other"};

uint64_t count(const Message& message, const char* key) {
    return static_cast<uint64_t>(message.number(key, 0, INT64_MAX, 0));
}

} // namespace

std::string encode_resize(WindowSize size) {
    return dump({{"rows", size.rows}, {"cols", size.cols}});
}

WindowSize parse_resize(std::string_view payload) {
    const Message message(payload);
    return {static_cast<uint16_t>(message.number("rows", 0, UINT16_MAX, 0)),
            static_cast<uint16_t>(message.number("cols", 0, UINT16_MAX, 0))};
}

std::string encode_signal(std::string_view signal) {
    return dump({{"signal", SignalName::parse(signal).str()}});
}

int parse_signal(std::string_view payload) {
    return SignalName::parse(Message(payload).needed_text("signal", 16)).number();
}

std::string encode_exit(const ExitStatus& exit) {
    nlohmann::json json{{"status", exit.status}};
    if (exit.signal != 0)
        json["signal"] = exit.signal;
    if (exit.timed_out)
        json["timed_out"] = true;
    return dump(json);
}

ExitStatus parse_exit(std::string_view payload) {
    const Message message(payload);
    return {static_cast<int>(message.needed_number("status", 0, 255)),
            static_cast<int>(message.number("signal", 0, 127, 0)), message.flag("timed_out")};
}

std::string encode_count(std::string_view key, uint64_t count) {
    return dump({{std::string(key), count}});
}

uint64_t parse_count(std::string_view key, std::string_view payload) {
    return static_cast<uint64_t>(Message(payload).needed_number(std::string(key).c_str(), 0, INT64_MAX));
}

std::string encode_error(const Error& error) {
    const auto cut = [](const std::string& text) { return text_value(text.substr(0, max_text)); };
    return dump({{"code", error_kind(error.code()).name},
                 {"message", cut(error.message())},
                 {"hint", cut(error.hint())}});
}

Error parse_error(std::string_view payload) {
    const Message message(payload);
    return {error_code_named(message.text("code", 64)),
            printable_text(message.needed_text("message", max_text)),
            printable_text(message.text("hint", max_text))};
}

std::string encode_done(const TransferSummary& summary) {
    return dump({{"files", summary.files}, {"bytes", summary.bytes}, {"skipped", summary.skipped}});
}

TransferSummary parse_done(std::string_view payload) {
    const Message message(payload);
    return {count(message, "files"), count(message, "bytes"), count(message, "skipped")};
}

std::string encode_info(const AgentInfo& info) {
    return dump({{"version", info.version},
                 {"agent", text_value(info.agent)},
                 {"kernel", text_value(info.kernel)},
                 {"ready_ms", info.ready_ms},
                 {"uptime_ms", info.uptime_ms},
                 {"sessions", info.sessions}});
}

AgentInfo parse_info(std::string_view payload) {
    const Message message(payload);
    AgentInfo info;
    info.version = static_cast<int>(message.needed_number("version", 1, INT32_MAX));
    info.agent = printable_text(message.text("agent", 64));
    info.kernel = printable_text(message.text("kernel", 128));
    info.ready_ms = count(message, "ready_ms");
    info.uptime_ms = count(message, "uptime_ms");
    info.sessions = count(message, "sessions");
    return info;
}

std::string encode_path_status(const PathStatus& status) {
    nlohmann::json json{{"type", path_types.at(static_cast<size_t>(status.type))},
                        {"entries", status.entries}};
    if (!status.path.empty())
        json["path"] = text_value(status.path);
    return dump(json);
}

PathStatus parse_path_status(std::string_view payload) {
    const Message message(payload);
    const auto name = message.needed_text("type", 16);
    const auto* const found = std::find(path_types.begin(), path_types.end(), name);
    PathStatus status;
    status.type =
        found == path_types.end() ? PathType::Other : static_cast<PathType>(found - path_types.begin());
    status.path = message.text("path", max_text);
    status.entries = static_cast<int>(message.number("entries", 1, INT32_MAX, 1));
    return status;
}

std::string encode_stats(const GuestStats& stats) {
    auto disks = nlohmann::json::array();
    for (const auto& disk : stats.disks)
        disks.push_back(
            {{"path", text_value(disk.path)}, {"total", disk.total}, {"available", disk.available}});
    return dump({{"uptime_ms", stats.uptime_ms},
                 {"memory_total", stats.memory_total},
                 {"memory_available", stats.memory_available},
                 {"load_1", stats.load_1},
                 {"load_5", stats.load_5},
                 {"load_15", stats.load_15},
                 {"processes", stats.processes},
                 {"disks", std::move(disks)}});
}

GuestStats parse_stats(std::string_view payload) {
    const Message message(payload);
    GuestStats stats;
    stats.uptime_ms = count(message, "uptime_ms");
    stats.memory_total = count(message, "memory_total");
    stats.memory_available = count(message, "memory_available");
    stats.load_1 = count(message, "load_1");
    stats.load_5 = count(message, "load_5");
    stats.load_15 = count(message, "load_15");
    stats.processes = count(message, "processes");
    for (const auto& item : message.list("disks", max_disks)) {
        if (!item.is_object())
            refuse_message("a disk is not an object");
        const Message disk(item);
        stats.disks.push_back({printable_text(disk.needed_text("path", max_text)), count(disk, "total"),
                               count(disk, "available")});
    }
    return stats;
}

std::string encode_ports(const std::vector<ListeningPort>& ports) {
    auto list = nlohmann::json::array();
    for (const auto& port : ports)
        if (list.size() < max_ports)
            list.push_back({{"protocol", port.protocol},
                            {"address", port.address},
                            {"port", port.port},
                            {"process", text_value(port.process.substr(0, 15))}});
    return dump({{"ports", std::move(list)}});
}

std::vector<ListeningPort> parse_ports(std::string_view payload) {
    std::vector<ListeningPort> ports;
    const Message message(payload);
    for (const auto& item : message.list("ports", max_ports)) {
        if (!item.is_object())
            refuse_message("a port is not an object");
        const auto text = [&](const char* key, size_t limit) {
            const auto found = item.find(key);
            return found == item.end() ? std::string() : printable_text(text_of(*found, limit, key));
        };
        const auto number = item.find("port");
        if (number == item.end() || !number->is_number_unsigned() || number->get<uint64_t>() > UINT16_MAX)
            refuse_message("a port's number is missing or out of range");
        ports.push_back(
            {text("protocol", 8), text("address", 64), number->get<uint16_t>(), text("process", 64)});
    }
    return ports;
}

} // namespace banger::agent
