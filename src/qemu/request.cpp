#include "qemu/request.hpp"

#include "base/error.hpp"
#include "qemu/body.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace banger::qemu {

namespace {

[[noreturn]] void refuse(const std::string& message) {
    throw Error(ErrorCode::InvalidArgument, message);
}

/// A path cut at its slashes, as Firecracker cuts it: leading slashes and a trailing one do not count.
struct Path {
    std::string_view first;
    std::optional<std::string_view> second;
    std::optional<std::string_view> third;

    explicit Path(std::string_view text) {
        while (text.starts_with('/'))
            text.remove_prefix(1);
        first = next(text).value_or("");
        second = next(text);
        third = next(text);
    }

private:
    static std::optional<std::string_view> next(std::string_view& rest) {
        if (rest.empty())
            return std::nullopt;
        const auto end = std::min(rest.find('/'), rest.size());
        const auto part = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        return part;
    }
};

/// Words that came from outside, shortened and printable, for an error.
std::string printable(std::string_view text) {
    std::string result(text.substr(0, 64));
    std::replace_if(result.begin(), result.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
    return result;
}

std::string_view checked_id(const std::optional<std::string_view>& id) {
    if (!id || id->empty())
        refuse("The ID cannot be empty.");
    if (!std::all_of(id->begin(), id->end(), [](unsigned char c) { return c == '_' || std::isalnum(c); }))
        refuse("API Resource IDs can only contain alphanumeric characters and underscores.");
    return *id;
}

Drive drive(const Path& path, const Json& body) {
    const auto id = checked_id(path.second);
    auto parsed = parse_drive(body);
    if (parsed.drive_id != id)
        refuse("The id from the path does not match the id from the body!");
    return parsed;
}

DriveUpdate drive_update(const Path& path, const Json& body) {
    const auto id = checked_id(path.second);
    auto parsed = parse_drive_update(body);
    if (parsed.drive_id != id)
        refuse("The id from the path does not match the id from the body!");
    return parsed;
}

void check_interface_id(std::string_view in_path, const std::string& in_body) {
    if (in_body != in_path)
        refuse("The id from the path [" + std::string(in_path) + "] does not match the id from the body [" +
               printable(in_body) + "]!");
}

NetworkInterface interface(const Path& path, const Json& body) {
    const auto id = checked_id(path.second);
    auto parsed = parse_network_interface(body);
    check_interface_id(id, parsed.iface_id);
    return parsed;
}

NetworkUpdate interface_update(const Path& path, const Json& body) {
    const auto id = checked_id(path.second);
    auto parsed = parse_network_update(body);
    check_interface_id(id, parsed.iface_id);
    return parsed;
}

Action action(const Json& body) {
    const ObjectReader reader(body, {"action_type"});
    const auto name = reader.one_of("action_type", {"FlushMetrics", "InstanceStart", "SendCtrlAltDel"});
    if (name == "InstanceStart")
        return Action::InstanceStart;
    return name == "SendCtrlAltDel" ? Action::SendCtrlAltDel : Action::FlushMetrics;
}

VmState vm_state(const Json& body) {
    const ObjectReader reader(body, {"state"});
    return reader.one_of("state", {"Paused", "Resumed"}) == "Paused" ? VmState::Paused : VmState::Resumed;
}

Unsupported unsupported(const char* what) {
    return {"The requested operation is not supported: banger-qemu has no " + std::string(what) + "."};
}

Request snapshot(const Path& path) {
    if (!path.second)
        refuse("Missing snapshot operation type.");
    if (*path.second != "create" && *path.second != "load")
        refuse("Invalid request method and/or path: PUT /snapshot/" + printable(*path.second) + ".");
    return unsupported("snapshots");
}

Request put_mmds(const Path& path, const Json& body) {
    if (!path.second)
        return MmdsPut{body};
    if (*path.second == "config")
        return parse_mmds_config(body);
    refuse("Unrecognized PUT request path `" + printable(*path.second) + "`.");
}

Request patch_balloon(const Path& path, const Json& body) {
    if (path.second == "statistics") {
        const ObjectReader reader(body, {"stats_polling_interval_s"});
        return BalloonStatisticsUpdate{
            static_cast<unsigned>(reader.number("stats_polling_interval_s", 65535, "u16"))};
    }
    const ObjectReader reader(body, {"amount_mib"});
    return BalloonUpdate{static_cast<uint32_t>(reader.number("amount_mib", 0xffffffff, "u32"))};
}

Request get_balloon(const Path& path) {
    if (!path.second)
        return Get::Balloon;
    if (*path.second == "statistics")
        return Get::BalloonStatistics;
    if (*path.second == "hinting")
        return unsupported("free page hinting");
    refuse("Unrecognized GET request path `" + printable(*path.second) + "`.");
}

std::optional<Request> parse_get(const Path& path) {
    if (path.first.empty())
        return Get::Instance;
    if (path.first == "version")
        return Get::Version;
    if (path.first == "vm" && path.second == "config")
        return Get::VmConfig;
    if (path.first == "machine-config")
        return Get::MachineConfig;
    if (path.first == "balloon")
        return get_balloon(path);
    if (path.first == "mmds")
        return Get::Mmds;
    if (path.first == "hotplug" && path.second == "memory")
        return unsupported("hotplug of memory");
    return std::nullopt;
}

using BodyParser = Request (*)(const Path&, const Json&);
struct Route {
    std::string_view first;
    BodyParser parse;
};

constexpr std::array put_routes{
    Route{"actions", [](const Path&, const Json& body) -> Request { return action(body); }},
    Route{"balloon", [](const Path&, const Json& body) -> Request { return parse_balloon(body); }},
    Route{"boot-source", [](const Path&, const Json& body) -> Request { return parse_boot_source(body); }},
    Route{"cpu-config", [](const Path&, const Json&) -> Request { return unsupported("CPU configuration"); }},
    Route{"drives", [](const Path& path, const Json& body) -> Request { return drive(path, body); }},
    Route{"pmem", [](const Path&, const Json&) -> Request { return unsupported("pmem devices"); }},
    Route{"logger", [](const Path&, const Json& body) -> Request { return parse_logger(body); }},
    Route{"serial", [](const Path&, const Json& body) -> Request { return parse_serial(body); }},
    Route{"machine-config",
          [](const Path&, const Json& body) -> Request { return MachineChange{parse_machine_config(body)}; }},
    Route{"metrics", [](const Path&, const Json& body) -> Request { return parse_metrics(body); }},
    Route{"mmds", put_mmds},
    Route{"network-interfaces",
          [](const Path& path, const Json& body) -> Request { return interface(path, body); }},
    Route{"snapshot", [](const Path& path, const Json&) -> Request { return snapshot(path); }},
    Route{"vsock", [](const Path&, const Json& body) -> Request { return parse_vsock(body); }},
    Route{"entropy", [](const Path&, const Json& body) -> Request { return parse_entropy(body); }},
};

constexpr std::array patch_routes{
    Route{"balloon", patch_balloon},
    Route{"drives", [](const Path& path, const Json& body) -> Request { return drive_update(path, body); }},
    Route{"machine-config",
          [](const Path&, const Json& body) -> Request { return MachineChange{parse_machine_update(body)}; }},
    Route{"mmds", [](const Path&, const Json& body) -> Request { return MmdsPatch{body}; }},
    Route{"network-interfaces",
          [](const Path& path, const Json& body) -> Request { return interface_update(path, body); }},
    Route{"pmem", [](const Path&, const Json&) -> Request { return unsupported("pmem devices"); }},
    Route{"vm", [](const Path&, const Json& body) -> Request { return vm_state(body); }},
};

template <size_t N>
std::optional<Request> routed(const std::array<Route, N>& routes, const Path& path, std::string_view body) {
    const auto route =
        std::find_if(routes.begin(), routes.end(), [&](const Route& r) { return r.first == path.first; });
    if (route == routes.end())
        return std::nullopt;
    return route->parse(path, parse_json(body));
}

std::optional<Request> parse_with_body(std::string_view method, const Path& path, std::string_view body) {
    const bool put = method == "PUT";
    if (!put && path.first == "balloon" && path.second == "hinting")
        return unsupported("free page hinting");
    if (body.empty())
        refuse(put ? "Empty PUT request." : "Empty PATCH request.");
    if (path.first == "hotplug" && path.second == "memory")
        return unsupported("hotplug of memory");
    return put ? routed(put_routes, path, body) : routed(patch_routes, path, body);
}

} // namespace

Request parse_request(std::string_view method, std::string_view path_text, std::string_view body) {
    const Path path(path_text);
    std::optional<Request> request;
    if (method == "GET") {
        if (!body.empty())
            refuse("GET request cannot have a body.");
        request = parse_get(path);
    } else if (method == "PUT" || method == "PATCH") {
        request = parse_with_body(method, path, body);
    } else if (method == "DELETE") {
        if (!body.empty())
            refuse("Empty Delete request.");
        if (path.first == "drives" || path.first == "pmem" || path.first == "network-interfaces")
            request = unsupported("hotplug of devices");
    }
    if (!request)
        refuse("Invalid request method and/or path: " + printable(method) + " " + printable(path.first) +
               ".");
    return std::move(*request);
}

} // namespace banger::qemu
