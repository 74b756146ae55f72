#include "base/size.hpp"
#include "cli/command.hpp"
#include "cli/properties.hpp"
#include "cli/vms.hpp"

#include <array>
#include <cstdio>
#include <memory>

namespace banger::cli {

namespace {

/// The numbers of Vm1.Stats, and what they are called here.
constexpr std::array<std::pair<const char*, const char*>, 10> numbers{
    {{"uptime-usec", "uptime_usec"},
     {"cpu-usec", "cpu_usec"},
     {"memory-bytes", "memory_bytes"},
     {"memory-limit-bytes", "memory_limit_bytes"},
     {"disk-bytes", "disk_bytes"},
     {"disk-allocated-bytes", "disk_allocated_bytes"},
     {"rx-bytes", "rx_bytes"},
     {"rx-packets", "rx_packets"},
     {"tx-bytes", "tx_bytes"},
     {"tx-packets", "tx_packets"}}};

Json stats_json(const std::string& name, const bus::Variants& stats) {
    Json object{{"name", name}, {"state", property<std::string>(stats, "state")}};
    for (const auto& [key, member] : numbers)
        object[member] = stats.contains(key) ? Json(property<uint64_t>(stats, key)) : Json(nullptr);
    object["processes"] =
        stats.contains("processes") ? Json(property<uint32_t>(stats, "processes")) : Json(nullptr);
    return object;
}

/// "1.2 MiB / 512 MiB"; nothing where the first is not known.
std::string sizes(const Json& object, const char* first, const char* second) {
    if (object.at(first).is_null())
        return {};
    return human_size(object.at(first).get<uint64_t>()) + " / " +
           human_size(object.at(second).get<uint64_t>());
}

/// A time, not a share: the VMM's includes the boot, and the uptime begins after it.
std::string cpu(const Json& object) {
    if (object.at("cpu_usec").is_null())
        return {};
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f s", object.at("cpu_usec").get<double>() / 1e6);
    return text.data();
}

std::string stats_text(const Json& all, Format format) {
    if (format != Format::Table)
        return structured(all, format);
    Table table({"NAME", "STATE", "CPU TIME", "MEMORY / LIMIT", "RECEIVED / SENT", "DISK / LIMIT"});
    for (const auto& one : all)
        table.add({one.at("name"), one.at("state"), cpu(one),
                   sizes(one, "memory_bytes", "memory_limit_bytes"), sizes(one, "rx_bytes", "tx_bytes"),
                   sizes(one, "disk_allocated_bytes", "disk_bytes")});
    return table.text();
}

int stats(const Invocation& invocation, TargetWords words, const Verb& verb) {
    words.all = words.names.empty();
    Manager manager(invocation.op);
    Failures failures(invocation.format);
    const auto known = verb.candidates(manager);
    auto all = Json::array();
    for (const auto& name : expand(words, verb, known, failures))
        try {
            all.push_back(stats_json(name, manager.call([&](ManagerProxy& proxy) {
                return proxy.VmStats(name, manager.options());
            })));
        } catch (const Error& error) {
            failures.add(explain(error, name, known));
        }
    print(stats_text(all, invocation.format));
    failures.finish();
    return 0;
}

} // namespace

Action vm_stats(CLI::App& app, Invocation& invocation) {
    const auto verb = vm_verb("show", [](const VmInfo& vm) { return vm.active(); });
    auto words = std::make_shared<TargetWords>();
    app.add_option("NAME", words->names, "VMs, by name, id or pattern; those that run when absent")
        ->type_name("");
    return [&invocation, verb, words] { return stats(invocation, *words, verb); };
}

} // namespace banger::cli
