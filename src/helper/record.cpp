#include "helper/record.hpp"

#include "base/error.hpp"
#include "helper/limits.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>
#include <utility>

namespace banger::helper {

namespace {

using Json = nlohmann::json;

constexpr int format_version = 1;

constexpr std::array<std::pair<std::string_view, Step>, 3> steps{{
    {"making", Step::Making},
    {"made", Step::Made},
    {"removing", Step::Removing},
}};

constexpr std::array<std::pair<std::string_view, VmmState>, 3> states{{
    {"launching", VmmState::Launching},
    {"running", VmmState::Running},
    {"exited", VmmState::Exited},
}};

template <class Table, class Value>
std::string name_of(const Table& table, Value value) {
    for (const auto& [name, known] : table)
        if (known == value)
            return std::string(name);
    return {};
}

[[noreturn]] void refuse(const std::string& what) {
    throw Error(ErrorCode::InvalidArgument, "ledger record: " + what);
}

/// A JSON object that is read strictly.
class Object {
public:
    Object(const Json& json, std::initializer_list<std::string_view> known)
        : json_(json) {
        if (!json.is_object())
            refuse("not an object");
        for (const auto& [key, value] : json.items())
            if (std::find(known.begin(), known.end(), key) == known.end())
                refuse("unknown key");
    }

    bool has(const char* key) const { return json_.contains(key); }
    const Json& at(const char* key) const {
        const auto found = json_.find(key);
        if (found == json_.end())
            refuse(std::string(key) + " is missing");
        return *found;
    }
    std::string text(const char* key) const {
        const auto& value = at(key);
        if (!value.is_string() || value.get_ref<const std::string&>().size() > 256)
            refuse(std::string(key) + " must be a short string");
        return value.get<std::string>();
    }
    uint64_t number(const char* key, uint64_t most) const {
        const auto& value = at(key);
        if (!value.is_number_unsigned() || value.get<uint64_t>() > most)
            refuse(std::string(key) + " must be a number up to " + std::to_string(most));
        return value.get<uint64_t>();
    }
    bool truth(const char* key) const {
        const auto& value = at(key);
        if (!value.is_boolean())
            refuse(std::string(key) + " must be true or false");
        return value.get<bool>();
    }
    template <class Table>
    auto choice(const char* key, const Table& table) const {
        const auto word = text(key);
        for (const auto& [name, value] : table)
            if (name == word)
                return value;
        refuse(std::string(key) + " is none of the known words");
    }

private:
    const Json& json_;
};

Json parsed(std::string_view text) {
    auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded())
        refuse("not JSON");
    return json;
}

void check_version(const Object& object) {
    if (object.number("version", 1000) != format_version)
        refuse("of another version");
}

uint32_t uid_in(const Object& object) {
    return static_cast<uint32_t>(object.number("uid", std::numeric_limits<uint32_t>::max() - 1));
}

Json to_json(const ProcessId& id) {
    return {{"pid", id.pid}, {"start", id.start}, {"boot", id.boot}};
}

ProcessId process_id(const Json& json) {
    const Object object(json, {"pid", "start", "boot"});
    ProcessId id;
    id.pid = static_cast<int>(object.number("pid", 1 << 22)); // PID_MAX_LIMIT, proc(5)
    id.start = object.number("start", std::numeric_limits<uint64_t>::max());
    id.boot = object.text("boot");
    if (id.pid < 2)
        refuse("no VMM has pid " + std::to_string(id.pid));
    return id;
}

VmmRecord vmm_record(const Json& json) {
    const Object object(json, {"kind", "state", "monitor", "main", "unit"});
    VmmRecord vmm;
    vmm.kind = object.text("kind");
    vmm.state = object.choice("state", states);
    vmm.monitor = process_id(object.at("monitor"));
    if (object.has("main"))
        vmm.main = process_id(object.at("main"));
    vmm.unit = object.text("unit");
    return vmm;
}

TapRecord tap_record(const Json& json) {
    const Object object(json, {"name", "bridge", "step", "isolated"});
    return {TapName::parse(object.text("name")), BridgeName::parse(object.text("bridge")),
            object.choice("step", steps), !object.has("isolated") || object.truth("isolated")};
}

NatRecord nat_record(const Json& json) {
    const Object object(json, {"address", "on", "step"});
    return {Ipv4Address::parse(object.text("address")), object.truth("on"), object.choice("step", steps)};
}

Json to_json(const FileId& id) {
    return {{"device", id.device}, {"inode", id.inode}};
}

FileId file_id(const Json& json) {
    const Object object(json, {"device", "inode"});
    constexpr auto most = std::numeric_limits<uint64_t>::max();
    return {object.number("device", most), object.number("inode", most)};
}

SnapshotRecord snapshot_record(const Json& json) {
    const Object object(json, {"rootfs", "cow", "step", "cow-size"});
    // Without it in records of earlier versions.
    const auto size = object.has("cow-size") ? object.number("cow-size", most_cow) : 0;
    return {file_id(object.at("rootfs")), file_id(object.at("cow")), object.choice("step", steps), size};
}

ResolverRecord resolver_record(const Json& json) {
    const Object object(json, {"server", "port", "step"});
    return {Ipv4Address::parse(object.text("server")), static_cast<uint16_t>(object.number("port", 65535)),
            object.choice("step", steps)};
}

} // namespace

std::string render(const VmRecord& record) {
    Json json{{"version", format_version}, {"uid", record.uid}, {"vm", record.vm.str()}};
    if (record.tap)
        json["tap"] = {{"name", record.tap->name.str()},
                       {"bridge", record.tap->bridge.str()},
                       {"step", name_of(steps, record.tap->step)},
                       {"isolated", record.tap->isolated}};
    if (record.nat)
        json["nat"] = {{"address", record.nat->address.str()},
                       {"on", record.nat->on},
                       {"step", name_of(steps, record.nat->step)}};
    if (record.snapshot)
        json["snapshot"] = {{"rootfs", to_json(record.snapshot->rootfs)},
                            {"cow", to_json(record.snapshot->cow)},
                            {"step", name_of(steps, record.snapshot->step)},
                            {"cow-size", record.snapshot->cow_size}};
    if (record.jail)
        json["jail"] = name_of(steps, *record.jail);
    if (const auto& vmm = record.vmm) {
        json["vmm"] = {{"kind", vmm->kind},
                       {"state", name_of(states, vmm->state)},
                       {"monitor", to_json(vmm->monitor)},
                       {"unit", vmm->unit}};
        if (vmm->main)
            json["vmm"]["main"] = to_json(*vmm->main);
    }
    return json.dump() + "\n";
}

VmRecord parse_vm_record(std::string_view text) {
    const auto json = parsed(text);
    const Object object(json, {"version", "uid", "vm", "tap", "jail", "vmm", "nat", "snapshot"});
    check_version(object);
    VmRecord record{uid_in(object), VmId::parse(object.text("vm")), {}, {}, {}};
    if (object.has("tap"))
        record.tap = tap_record(object.at("tap"));
    if (object.has("nat"))
        record.nat = nat_record(object.at("nat"));
    if (object.has("snapshot"))
        record.snapshot = snapshot_record(object.at("snapshot"));
    if (object.has("jail"))
        record.jail = object.choice("jail", steps);
    if (object.has("vmm"))
        record.vmm = vmm_record(object.at("vmm"));
    return record;
}

std::string render(const BridgeRecord& record) {
    Json json{{"version", format_version},
              {"uid", record.uid},
              {"bridge", record.bridge.str()},
              {"address", record.address.str()},
              {"step", name_of(steps, record.step)}};
    if (record.resolver)
        json["resolver"] = {{"server", record.resolver->server.str()},
                            {"port", record.resolver->port},
                            {"step", name_of(steps, record.resolver->step)}};
    return json.dump() + "\n";
}

BridgeRecord parse_bridge_record(std::string_view text) {
    const auto json = parsed(text);
    const Object object(json, {"version", "uid", "bridge", "address", "step", "resolver"});
    check_version(object);
    BridgeRecord record{uid_in(object), BridgeName::parse(object.text("bridge")),
                        Ipv4Cidr::parse(object.text("address")), object.choice("step", steps)};
    if (object.has("resolver"))
        record.resolver = resolver_record(object.at("resolver"));
    return record;
}

std::string render(const ForwardingRecord& record) {
    const Json json{{"version", format_version}, {"step", name_of(steps, record.step)}};
    return json.dump() + "\n";
}

ForwardingRecord parse_forwarding_record(std::string_view text) {
    const auto json = parsed(text);
    const Object object(json, {"version", "step"});
    check_version(object);
    return {object.choice("step", steps)};
}

} // namespace banger::helper
