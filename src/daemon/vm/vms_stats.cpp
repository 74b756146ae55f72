// What VMs use, and what they leave when they are pruned.
#include "daemon/clock.hpp"
#include "daemon/vm/usage.hpp"
#include "daemon/vm/vms.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace banger::daemon {

bus::Variants Vms::stats(const VmEntry& entry) {
    const auto& status = entry.status;
    bus::Variants facts{{"state", sdbus::Variant{std::string(vm_state_name(status.state))}},
                        {"disk-bytes", sdbus::Variant{entry.config.disk_bytes}},
                        {"disk-allocated-bytes", sdbus::Variant{allocated_bytes(entry.paths.folder)}}};
    const auto usage = status.pid > 0 ? usage_of(status.pid) : std::nullopt;
    if (!usage)
        return facts;
    const auto now = now_microseconds();
    facts.emplace("uptime-usec", sdbus::Variant{now - std::min(now, status.started_at)});
    facts.emplace("cpu-usec", sdbus::Variant{usage->cpu_usec});
    facts.emplace("memory-bytes", sdbus::Variant{usage->memory_bytes});
    facts.emplace("memory-limit-bytes", sdbus::Variant{uint64_t{entry.config.memory_mib} << 20});
    facts.emplace("processes", sdbus::Variant{usage->processes});
    if (const auto link = link_usage(status.tap)) { // what the host receives, the guest has sent
        facts.emplace("rx-bytes", sdbus::Variant{link->tx_bytes});
        facts.emplace("rx-packets", sdbus::Variant{link->tx_packets});
        facts.emplace("tx-bytes", sdbus::Variant{link->rx_bytes});
        facts.emplace("tx-packets", sdbus::Variant{link->rx_packets});
    }
    return facts;
}

OwnedFd Vms::console_log(const VmEntry& entry, bool previous) {
    const auto path = previous ? entry.paths.old_console() : entry.paths.console();
    OwnedFd log(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!log && errno == ENOENT)
        throw Error(ErrorCode::NotFound,
                    "VM " + entry.config.name.str() + " has written no " + (previous ? "earlier " : "") +
                        "console yet",
                    "the log begins with its first start");
    if (!log)
        throw_errno("open " + path);
    return log;
}

namespace {

/// What a prune has come to.
struct Pruning {
    JobPtr job;
    std::vector<std::string> names;
    uint64_t freed = 0;
    size_t gone = 0;
    std::optional<Error> failure;

    void end() const {
        if (failure)
            return job->fail(*failure);
        job->succeed({{"vms", sdbus::Variant{names}}, {"freed-bytes", sdbus::Variant{freed}}});
    }
};

} // namespace

JobPtr Vms::prune(bool dry_run, const Request& request) {
    std::vector<EntryPtr> chosen;
    for (const auto& entry : list())
        if (const auto state = entry->status.state; (state == VmState::Stopped || state == VmState::Failed) &&
                                                    !entry->config.is_protected &&
                                                    (!entry->busy() || entry->only_cleaning()))
            chosen.push_back(entry);
    const auto pruning = std::make_shared<Pruning>();
    pruning->job = make_job("vm-prune", request, false);
    for (const auto& entry : chosen) {
        pruning->names.push_back(entry->config.name.str());
        pruning->freed += allocated_bytes(entry->paths.folder);
    }
    if (dry_run || chosen.empty()) {
        pruning->end();
        return pruning->job;
    }
    for (const auto& entry : chosen) {
        entry->on_gone = [pruning, total = chosen.size()](const Outcome<Nothing>& outcome) {
            if (const auto* error = std::get_if<Error>(&outcome))
                pruning->failure = *error;
            pruning->job->progress(static_cast<double>(++pruning->gone) / static_cast<double>(total));
            if (pruning->gone == total)
                pruning->end();
        };
        doom(*entry);
        enqueue_delete(entry, nullptr);
    }
    return pruning->job;
}

} // namespace banger::daemon
