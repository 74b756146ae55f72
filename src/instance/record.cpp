#include "instance/record.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/process.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cerrno>

namespace banger::instance {

namespace {

using nlohmann::json;

constexpr std::array<const char*, 3> state_names{"running", "died", "off"};

json to_json(const ProcessId& process) {
    return {{"pid", process.pid}, {"start-time", process.start_time}};
}

ProcessId process_from(const json& value) {
    return {value.at("pid").get<int>(), value.at("start-time").get<unsigned long long>()};
}

ServiceState state_from(const std::string& name) {
    for (size_t i = 0; i < state_names.size(); ++i)
        if (name == state_names[i])
            return static_cast<ServiceState>(i);
    return ServiceState::Died;
}

/// The file's content, or null: half-made and stale folders are met as a matter of course.
json load(const std::string& path) {
    try {
        return json::parse(read_file(path, 1 << 20), nullptr, false);
    } catch (const Error&) {
        return nullptr;
    }
}

} // namespace

ProcessId ProcessId::of(int pid) {
    return {pid, process_start_time(pid)};
}

std::optional<OwnedFd> ProcessId::open() const {
    if (pid <= 0)
        return std::nullopt;
    try {
        auto fd = open_pidfd(pid);
        // The descriptor first, then the look: now the pid cannot be given to another one unnoticed.
        if (process_start_time(pid) != start_time || wait_readable(fd.get(), 0))
            return std::nullopt;
        return fd;
    } catch (const Error&) {
        return std::nullopt;
    }
}

void write_record(const Layout& layout, const Record& record) {
    const json value{{"supervisor", to_json(record.supervisor)},
                     {"uplink", to_json(record.uplink)},
                     {"network", record.network},
                     {"state", record.state},
                     {"bindir", record.bindir},
                     {"inner-bindir", record.inner_bindir},
                     {"started", record.started},
                     {"complete", record.complete}};
    write_file_atomically(layout.record(), value.dump(2) + "\n", 0600);
}

std::optional<Record> read_record(const Layout& layout) {
    const auto value = load(layout.record());
    try {
        Record record;
        record.supervisor = process_from(value.at("supervisor"));
        record.uplink = process_from(value.at("uplink"));
        record.network = value.at("network").get<std::string>();
        record.state = value.at("state").get<std::string>();
        record.bindir = value.at("bindir").get<std::string>();
        record.inner_bindir = value.at("inner-bindir").get<std::string>();
        record.started = value.at("started").get<std::string>();
        record.complete = value.at("complete").get<bool>();
        return record;
    } catch (const json::exception&) {
        return std::nullopt;
    }
}

void write_services(const Layout& layout, const std::vector<Service>& services) {
    auto value = json::array();
    for (const auto& service : services)
        value.push_back({{"name", service.name},
                         {"pid", service.pid},
                         {"state", state_names[static_cast<size_t>(service.state)]},
                         {"restarts", service.restarts},
                         {"why", service.why}});
    write_file_atomically(layout.services_record(), value.dump(2) + "\n", 0600);
}

std::vector<Service> read_services(const Layout& layout) {
    std::vector<Service> services;
    try {
        for (const auto& value : load(layout.services_record()))
            services.push_back({value.at("name").get<std::string>(), value.at("pid").get<int>(),
                                state_from(value.at("state").get<std::string>()),
                                value.at("restarts").get<int>(), value.at("why").get<std::string>()});
    } catch (const json::exception&) {
        services.clear();
    }
    return services;
}

Layout running_layout(Layout layout, const Record& record) {
    layout.state = record.state;
    return layout;
}

} // namespace banger::instance
