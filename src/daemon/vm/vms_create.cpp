#include "daemon/clock.hpp"
#include "daemon/host.hpp"
#include "daemon/network_plan.hpp"
#include "daemon/vm/name_maker.hpp"
#include "daemon/vm/vms.hpp"

#include <algorithm>

namespace banger::daemon {

namespace {

/// One that begins with a letter: sd_bus_path_encode(3) would escape a leading digit, and the path is to hold
/// the id as it is.
VmId make_id() {
    for (;;)
        if (auto id = VmId::make(); id.str().front() >= 'a')
            return id;
}

} // namespace

bool Vms::name_is_taken(std::string_view name) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& known) {
        return known.second->status.state != VmState::Deleting && known.second->config.name.str() == name;
    });
}

void Vms::require_free_name(const DnsLabel& name) const {
    if (name_is_taken(name.str()))
        throw Error(ErrorCode::AlreadyExists, "there is a VM named " + name.str() + " already",
                    "choose another name, or delete it: banger vm delete " + name.str());
}

/// The network of the bridge. It stays as it is while VMs have addresses in it.
Ipv4Cidr Vms::network() {
    const auto setting = tools_.store.setting("network");
    const auto before = setting ? std::optional(Ipv4Cidr::parse(*setting)) : std::nullopt;
    if (before && !entries_.empty())
        return *before;
    const auto chosen = choose_network(tools_.uid, before, host_routes());
    if (!before || chosen != *before) {
        tools_.store.set_setting("network", chosen.str());
        bridge_is_up_ = false;
    }
    return chosen;
}

VmConfig Vms::configure(const CreateRequest& wanted) {
    if (wanted.name)
        require_free_name(*wanted.name);
    const bool boots = wanted.vmm != "null";
    // With vmm null an image or kernel is used only where it is named.
    const auto image = boots || wanted.image ? tools_.catalog.image(wanted.image).name : std::string();
    const auto kernel = boots || wanted.kernel ? tools_.catalog.kernel(wanted.kernel).name : std::string();
    std::vector<Ipv4Address> used;
    for (const auto& [id, entry] : entries_)
        used.push_back(entry->config.address);
    return {.id = make_id(),
            .name = wanted.name ? *wanted.name
                                : make_vm_name([&](const auto& name) { return name_is_taken(name); }),
            .image = image,
            .kernel = kernel,
            .vcpus = wanted.vcpus,
            .memory_mib = wanted.memory_mib,
            .disk_bytes = wanted.disk_bytes,
            .address = choose_address(network(), std::move(used)),
            .nat = wanted.nat,
            .vmm = wanted.vmm,
            .null_mode = wanted.null_mode,
            .ephemeral = wanted.ephemeral,
            .tied = wanted.tied,
            .created_at = now_microseconds(),
            .autostart = wanted.autostart,
            .is_protected = wanted.is_protected,
            .auto_stop_after = wanted.auto_stop_after};
}

JobPtr Vms::create(const CreateRequest& wanted, const Request& request) {
    if (ending_)
        throw Error(ErrorCode::Unavailable, "the daemon is about to end", "call again: it is started anew");
    tools_.jobs.make_room();
    auto config = configure(wanted);
    tools_.store.insert({config, {}});
    const auto entry = add_entry(std::move(config));
    if (wanted.tied)
        entry->tied_to = request.sender;
    put_on_bus(entry);
    const auto job = make_job("vm-create", request, wanted.start);
    if (wanted.start)
        enqueue_start(entry, job, wanted.ready_timeout);
    else
        job->succeed(result_of(*entry));
    return job;
}

} // namespace banger::daemon
