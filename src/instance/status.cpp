#include "instance/status.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "instance/accounts.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <sstream>

namespace banger::instance {

namespace {

constexpr std::array<std::string_view, 4> names{"stopped", "starting", "running", "degraded"};

/// Pids inside → pids outside, of the children of process `parent`: the last number of NSpid and the first
/// (proc(5)).
std::map<int, int> host_pids(int parent) {
    std::map<int, int> pids;
    for (const auto& item : std::filesystem::directory_iterator("/proc")) {
        const auto name = item.path().filename().string();
        int pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc())
            continue;
        try {
            std::istringstream lines(read_file("/proc/" + name + "/status", 65536));
            int above = 0;
            for (std::string line; std::getline(lines, line);) {
                if (line.starts_with("PPid:"))
                    above = std::stoi(line.substr(5));
                if (line.starts_with("NSpid:") && above == parent)
                    pids[std::stoi(line.substr(line.find_last_of(" \t")))] = pid;
            }
        } catch (const Error&) {
            continue; // ended meanwhile
        }
    }
    return pids;
}

void add_services(Status& status) {
    status.services = read_services(status.layout);
    const auto pids = host_pids(status.record.supervisor.pid);
    for (auto& service : status.services) {
        const auto found = service.state == ServiceState::Running ? pids.find(service.pid) : pids.end();
        service.pid = found == pids.end() ? -1 : found->second;
        if (service.state == ServiceState::Died)
            status.problems.push_back(service.name + " died: " + service.why);
    }
    if (status.record.uplink.pid > 0 && !status.record.uplink.open())
        status.problems.emplace_back("uplink died: slirp4netns is gone");
}

std::string state_of(const Service& service) {
    if (service.state == ServiceState::Off)
        return "off";
    return service.state == ServiceState::Died ? "died" : "running";
}

void row(std::ostream& out, std::string key, const std::string& value) {
    key.resize(14, ' ');
    out << key << value << "\n";
}

} // namespace

std::string_view state_name(State state) noexcept {
    return names[static_cast<size_t>(state)];
}

int status_exit(State state) noexcept {
    return state == State::Running ? 0 : state == State::Stopped ? 3 : 1;
}

Status inspect(const Layout& layout) {
    Status status;
    status.layout = layout;
    auto record = read_record(layout);
    if (!record || !record->supervisor.open())
        return status;
    status.record = *record;
    status.layout = running_layout(layout, *record);
    if (!record->complete) {
        status.state = State::Starting;
        return status;
    }
    add_services(status);
    status.state = status.problems.empty() ? State::Running : State::Degraded;
    return status;
}

Status require_running(const Layout& layout) {
    auto status = inspect(layout);
    if (status.state == State::Stopped || status.state == State::Starting)
        throw Error(ErrorCode::NotFound,
                    "the instance \"" + layout.name + "\" is " + std::string(state_name(status.state)),
                    "start it: banger instance start --name " + layout.name);
    return status;
}

std::string status_text(const Status& status) {
    std::ostringstream out;
    row(out, "instance", status.layout.name);
    row(out, "state", std::string(state_name(status.state)));
    for (const auto& problem : status.problems)
        row(out, "problem", problem);
    if (status.state != State::Stopped) {
        row(out, "since", status.record.started);
        row(out, "supervisor", "pid " + std::to_string(status.record.supervisor.pid));
        for (const auto& service : status.services)
            row(out, service.name,
                (service.pid > 0 ? "pid " + std::to_string(service.pid) : state_of(service)) +
                    (service.restarts ? ", restarted " + std::to_string(service.restarts) + " times" : ""));
        row(out, "network",
            status.record.uplink.pid > 0
                ? "uplink through slirp4netns, pid " + std::to_string(status.record.uplink.pid)
                : "none: guests and image builds reach nothing outside");
        row(out, "system bus", status.layout.system_address());
        row(out, "session bus", status.layout.session_address());
    }
    row(out, "state folder", status.layout.state);
    row(out, "promise", "none: for trying and testing; those of the system install do not hold here");
    return out.str();
}

std::string status_json(const Status& status) {
    using nlohmann::json;
    json value{{"name", status.layout.name},      {"state", state_name(status.state)},
               {"problems", status.problems},     {"state-dir", status.layout.state},
               {"log-dir", status.layout.logs()}, {"supported", false}};
    if (status.state != State::Stopped) {
        value["started"] = status.record.started;
        value["network"] = status.record.network;
        value["system-bus"] = status.layout.system_address();
        value["session-bus"] = status.layout.session_address();
        value["bindir"] = status.record.inner_bindir;
        value["pids"] = {{"supervisor", status.record.supervisor.pid}};
        if (status.record.uplink.pid > 0)
            value["pids"]["uplink"] = status.record.uplink.pid;
        value["services"] = json::object();
        for (const auto& service : status.services) {
            if (service.pid > 0)
                value["pids"][service.name] = service.pid;
            value["services"][service.name] = {
                {"state", state_of(service)}, {"restarts", service.restarts}, {"why", service.why}};
        }
    }
    return value.dump(2) + "\n";
}

} // namespace banger::instance
