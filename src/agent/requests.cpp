// Requests as JSON, and back.
#include "agent/message.hpp"
#include "agent/protocol.hpp"

#include <array>

namespace banger::agent {

namespace {

constexpr size_t max_path = 4095; // PATH_MAX less the NUL
constexpr size_t max_name = 255;
constexpr size_t max_arguments = 8192;
constexpr int64_t max_time_ms = int64_t{366} * 24 * 3600 * 1000;

constexpr std::array<std::string_view, 3> shutdown_modes{"poweroff", "reboot", "halt"};

struct Encoder {
    nlohmann::json& json;

    void operator()(const ExecRequest& exec) const {
        json["kind"] = "exec";
        auto& argv = json["argv"] = nlohmann::json::array();
        for (const auto& argument : exec.argv)
            argv.push_back(text_value(argument));
        auto& env = json["env"] = nlohmann::json::object();
        for (const auto& [name, value] : exec.env)
            env[name] = text_value(value);
        json["cwd"] = text_value(exec.cwd);
        json["tty"] = exec.tty;
        json["rows"] = exec.rows;
        json["cols"] = exec.cols;
        json["term"] = text_value(exec.term);
        json["timeout_ms"] = exec.timeout_ms;
        json["user"] = text_value(exec.user);
    }
    void operator()(const PutRequest& put) const {
        json["kind"] = "put";
        json["directory"] = text_value(put.directory);
        json["clear"] = put.clear;
        json["owner"] = put.owner;
    }
    void operator()(const GetRequest& get) const {
        json["kind"] = "get";
        json["path"] = text_value(get.path);
        json["follow"] = get.follow;
        json["entries"] = get.entries;
    }
    void operator()(const StatRequest& stat) const {
        json["kind"] = "stat";
        json["path"] = text_value(stat.path);
    }
    void operator()(const InfoRequest&) const { json["kind"] = "info"; }
    void operator()(const PortsRequest&) const { json["kind"] = "ports"; }
    void operator()(const StatsRequest&) const { json["kind"] = "stats"; }
    void operator()(const ShutdownRequest& shutdown) const {
        json["kind"] = "shutdown";
        json["mode"] = shutdown_modes.at(static_cast<size_t>(shutdown.mode));
        json["grace_ms"] = shutdown.grace_ms;
    }
    void operator()(const TimeRequest& time) const {
        json["kind"] = "time";
        json["unix_ns"] = time.unix_ns;
    }
};

ExecRequest parse_exec(const Message& message) {
    ExecRequest exec;
    for (const auto& argument : message.list("argv", max_arguments))
        exec.argv.push_back(text_of(argument, max_payload, "argument"));
    if (exec.argv.empty() || exec.argv.front().empty())
        refuse_message("no command");
    for (const auto& [name, value] : message.map("env", max_arguments).items()) {
        if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos)
            refuse_message("a variable's name is empty or holds '='");
        exec.env.emplace_back(name, text_of(value, max_payload, "variable"));
    }
    exec.cwd = message.text("cwd", max_path);
    exec.tty = message.flag("tty");
    exec.rows = static_cast<uint16_t>(message.number("rows", 0, UINT16_MAX, 0));
    exec.cols = static_cast<uint16_t>(message.number("cols", 0, UINT16_MAX, 0));
    exec.term = message.text("term", max_name);
    exec.timeout_ms = static_cast<uint64_t>(message.number("timeout_ms", 0, max_time_ms, 0));
    exec.user = message.text("user", max_name);
    return exec;
}

ShutdownRequest parse_shutdown(const Message& message) {
    ShutdownRequest shutdown;
    const auto mode = message.text("mode", max_name);
    if (!mode.empty()) {
        size_t index = 0;
        while (index < shutdown_modes.size() && shutdown_modes.at(index) != mode)
            index++;
        if (index == shutdown_modes.size())
            refuse_message("unknown mode of shutdown");
        shutdown.mode = static_cast<ShutdownMode>(index);
    }
    shutdown.grace_ms = static_cast<uint64_t>(message.number("grace_ms", 0, max_time_ms, 10000));
    return shutdown;
}

Request parse_kind(const Message& message) {
    const auto kind = message.needed_text("kind", max_name);
    if (kind == "exec")
        return parse_exec(message);
    if (kind == "put")
        return PutRequest{message.needed_text("directory", max_path), message.flag("clear"),
                          message.flag("owner")};
    if (kind == "get")
        return GetRequest{message.needed_text("path", max_path), message.flag("follow"),
                          static_cast<int>(message.number("entries", 1, INT32_MAX, 1))};
    if (kind == "stat")
        return StatRequest{message.needed_text("path", max_path)};
    if (kind == "info")
        return InfoRequest{};
    if (kind == "ports")
        return PortsRequest{};
    if (kind == "stats")
        return StatsRequest{};
    if (kind == "shutdown")
        return parse_shutdown(message);
    if (kind == "time")
        return TimeRequest{message.needed_number("unix_ns", 0, INT64_MAX)};
    throw Error(ErrorCode::Unsupported, "the guest's agent knows no such request",
                "import the kernel again to give the guest this version's agent");
}

} // namespace

std::string encode_request(const Request& request, std::string_view op_id) {
    nlohmann::json json{{"version", protocol_version}, {"op_id", text_value(op_id)}};
    std::visit(Encoder{json}, request);
    return dump(json);
}

Envelope parse_request(std::string_view payload) {
    const Message message(payload);
    const auto version = message.needed_number("version", 1, INT32_MAX);
    if (version != protocol_version)
        throw Error(ErrorCode::Unsupported,
                    "the guest's agent speaks version " + std::to_string(protocol_version) +
                        " of its protocol, not " + std::to_string(version),
                    "import the kernel again to give the guest this version's agent");
    return {message.text("op_id", 64), parse_kind(message)};
}

} // namespace banger::agent
