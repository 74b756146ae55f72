// All VMs of the owner: what can be done with them, and in which order it happens. For the loop's thread.
#pragma once

#include "base/loop.hpp"
#include "daemon/catalog.hpp"
#include "daemon/crew.hpp"
#include "daemon/job/jobs.hpp"
#include "daemon/requests.hpp"
#include "daemon/store/store.hpp"
#include "daemon/vm/recovery.hpp"
#include "daemon/vm/start.hpp"
#include "daemon/vm/stop.hpp"
#include "daemon/vm/vm_entry.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace banger::daemon {

using EntryPtr = std::shared_ptr<VmEntry>;
using JobPtr = std::shared_ptr<Job>;
using LateSession = std::shared_ptr<sdbus::Result<sdbus::UnixFd>>;

class Vms {
public:
    /// What it works with; all must outlive it.
    struct Tools {
        Loop& loop;
        sdbus::IConnection& connection;
        Store& store;
        Jobs& jobs;
        Crew& crew;
        Catalog& catalog;
        std::string data_dir;
        unsigned uid;
    };
    explicit Vms(Tools tools);
    Vms(const Vms&) = delete;

    /// Takes the VMs from the store onto the bus, and begins to find out what became of them.
    void load();

    /// By name or id. Throws NotFound.
    EntryPtr find(std::string_view name_or_id) const;
    /// Oldest first, without those that are being deleted and have no VMM any more.
    std::vector<EntryPtr> list() const;
    bool uses_image(std::string_view name) const;
    bool uses_kernel(std::string_view name) const;
    /// What ran the last VM whose VMM was left open, or would have run one when the daemon began.
    const std::string& automatic_vmm() const noexcept { return automatic_vmm_; }

    JobPtr create(const CreateRequest& wanted, const Request& request);
    JobPtr start(const EntryPtr& entry, std::chrono::milliseconds ready_timeout, const Request& request);
    JobPtr stop(const EntryPtr& entry, const StopRequest& wanted, const Request& request);
    /// KILL ends it; other signals are sent to its VMM.
    JobPtr kill(const EntryPtr& entry, const SignalName& signal, const Request& request);
    /// A stop and a start as one job.
    JobPtr restart(const EntryPtr& entry, const RestartRequest& wanted, const Request& request);
    JobPtr pause(const EntryPtr& entry, const Request& request);
    JobPtr resume(const EntryPtr& entry, const Request& request);
    JobPtr remove(const EntryPtr& entry, bool force, const Request& request);
    void open_session(const EntryPtr& entry, bool early, const LateSession& late);
    /// As org.banger.Vm1.Stats has it.
    static bus::Variants stats(const VmEntry& entry);
    /// A read-only descriptor of its console's log, or of that of the run before. Throws NotFound.
    static OwnedFd console_log(const VmEntry& entry, bool previous);
    /// Deletes what is stopped or failed, and not protected. `dry_run`: only tells which.
    JobPtr prune(bool dry_run, const Request& request);
    JobPtr set(const EntryPtr& entry, const SetRequest& wanted, const Request& request);
    /// At rest only.
    void rename(const EntryPtr& entry, const DnsLabel& name);
    void wait(const EntryPtr& entry, WaitRequest wanted, const std::string& sender,
              StateWaiters::Answer answer);

    /// A client left the bus: what is tied to it ends, and nobody waits for it.
    void client_gone(const std::string& name);
    /// The daemon ends: starts are taken back, tied and ephemeral VMs end, others go on running.
    void shut_down();
    /// Nothing is under way.
    bool idle() const;

private:
    // vms.cpp
    EntryPtr add_entry(VmConfig config);
    void put_on_bus(const EntryPtr& entry);
    /// The one place where a VM's state changes: by the table in state.cpp. Writes it down and tells the bus.
    /// A VM that is being deleted stays so.
    void advance(VmEntry& entry, VmEvent event, Ending ending = {});
    void write_down(VmEntry& entry);
    void hold_vmm(const EntryPtr& entry, RunningVmm vmm);
    void watch_exit(const EntryPtr& entry);
    void forget_vmm(VmEntry& entry);
    bus::Variants result_of(const VmEntry& entry) const;
    JobPtr make_job(const char* operation, const Request& request, bool cancelable);
    Crew::Task task_of(const Job& job) const;

    // vms_create.cpp
    VmConfig configure(const CreateRequest& wanted);
    Ipv4Cidr network();
    bool name_is_taken(std::string_view name) const;
    void require_free_name(const DnsLabel& name) const;

    // vms_start.cpp
    void require_startable(const VmEntry& entry) const;
    void enqueue_start(const EntryPtr& entry, const JobPtr& job, std::chrono::milliseconds ready_timeout);
    void begin_start(const EntryPtr& entry, const JobPtr& job, std::chrono::milliseconds ready_timeout);
    StartPlan plan_start(const VmEntry& entry, std::chrono::milliseconds ready_timeout);
    void started(const EntryPtr& entry, const JobPtr& job, RunningVmm vmm);
    void note_disk(const EntryPtr& entry, uint64_t bytes);
    void start_failed(const EntryPtr& entry, const JobPtr& job, const Error& error);

    // vms_stop.cpp
    JobPtr enqueue_stop(const EntryPtr& entry, OpKind kind, const StopRequest& wanted,
                        const Request& request);
    void begin_stop(const EntryPtr& entry, const JobPtr& job, const StopRequest& wanted);
    void stopped(const EntryPtr& entry, const JobPtr& job, const StopPlan& plan, Outcome<StopResult> outcome);
    StopPlan plan_stop(const VmEntry& entry, std::chrono::milliseconds graceful) const;
    JobPtr send_signal(const EntryPtr& entry, const SignalName& signal, const Request& request);

    // vms_exit.cpp
    void on_exit(const EntryPtr& entry);
    void begin_exit(const EntryPtr& entry);
    void exited(const EntryPtr& entry, Ending ending);
    void start_again(const EntryPtr& entry);

    // vms_restart.cpp
    void begin_restart(const EntryPtr& entry, const JobPtr& job, const RestartRequest& wanted);
    void stopped_to_restart(const EntryPtr& entry, const JobPtr& job, const RestartRequest& wanted,
                            const StopPlan& plan, Outcome<StopResult> outcome);

    // vms_set.cpp
    void begin_set(const EntryPtr& entry, const JobPtr& job, const SetRequest& wanted);
    void end_set(const EntryPtr& entry, const JobPtr& job, const VmConfig& vm);

    // vms_patrol.cpp
    /// Sets when to look next, if any VM runs.
    void arm_patrol();
    void go_round();
    void end_halted(const EntryPtr& entry);
    void ask_whether_idle(const EntryPtr& entry);

    // vms_pause.cpp
    enum class Held { Paused, Running };
    JobPtr enqueue_pause(const EntryPtr& entry, Held wanted, const Request& request);
    void begin_pause(const EntryPtr& entry, const JobPtr& job, Held wanted);

    // vms_delete.cpp
    void doom(VmEntry& entry);
    void enqueue_delete(const EntryPtr& entry, const JobPtr& job);
    void begin_delete(const EntryPtr& entry, const JobPtr& job);
    void end_delete(const EntryPtr& entry, const JobPtr& job);
    void leave(const EntryPtr& entry, const JobPtr& job);
    /// Removes, behind everybody's back, what the helper holds of it, and of a deleted one the rest; tries
    /// again later when that fails.
    void enqueue_cleanup(const EntryPtr& entry);
    void begin_cleanup(const EntryPtr& entry);
    void cleaned_up(const EntryPtr& entry, bool all, const Outcome<Nothing>& outcome);
    void retry_later(const EntryPtr& entry, std::function<void()> task);

    // vms_recovery.cpp
    void note_boot();
    void start_unasked(const EntryPtr& entry, const std::string& why);
    void tell_recovered(VmEntry& entry);
    void recovery_over(VmEntry& entry);
    void enqueue_recovery(const EntryPtr& entry);
    void begin_recovery(const EntryPtr& entry);
    void recovered(const EntryPtr& entry, const Outcome<Recovered>& outcome);
    void settle(const EntryPtr& entry, const Recovered& found);
    Ending ending_of_lost(const VmEntry& entry, const Ending& seen) const;
    void survey();
    void surveyed(const std::vector<std::string>& ids);
    void remove_leftovers();

    Tools tools_;
    std::map<std::string, EntryPtr> entries_; ///< by id
    std::string automatic_vmm_ = "qemu";      ///< what `auto` was when it was last looked at
    bool bridge_is_up_ = false;
    bool host_has_rebooted_ = false; ///< since the last daemon wrote down how the VMs are
    std::string boot_id_;            ///< to be written down when that is known of all; empty: it is
    Timer patrol_;
    bool ending_ = false;
};

} // namespace banger::daemon
