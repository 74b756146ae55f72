// VMMs: launched, looked at, signalled, killed, cleaned up, for those who hold a Grant.
#pragma once

#include "base/loop.hpp"
#include "helper/firecracker.hpp"
#include "helper/launcher.hpp"
#include "helper/mending.hpp"
#include "helper/network.hpp"
#include "helper/storage.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace banger::helper {

struct Launched {
    std::string unit;
    int pid = 0;
    std::string api_socket;
    std::string vsock_socket;
};

/// What Inspect tells; members that do not exist are empty.
struct Facts {
    std::string state; ///< running, exited, absent
    int pid = 0;
    std::string unit, snapshot, tap, bridge, vmm, api_socket, vsock_socket;
};

/// Which VMMs VMs can be launched with on this host: name → version.
struct Vmms {
    std::map<std::string, std::string> there;
    std::map<std::string, std::string> troubles; ///< of those that are not there: name → why
};

/// The executable of banger-qemu: beside the helper's own, or in ../libexec/banger. It must be a regular file
/// of root that nobody else can write; throws FailedPrecondition or Unavailable. Never the caller's choice.
OwnedFd open_vmm_program();

/// For the loop's thread. `done` is called once, in the loop.
class Machine {
public:
    using Key = Grant<Action::Machine>;

    Machine(Ledger& ledger, Lanes& lanes, Workers& workers, Network& network, Storage& storage,
            Mending& mending, std::unique_ptr<Launcher> launcher);

    void perform(const Key& grant, Launch request, const Done<Launched>& done);
    void perform(const Key& grant, const Inspect& request, const Done<Facts>& done);
    void perform(const Key& grant, const List& request, const Done<std::vector<std::string>>& done);
    void perform(const Key& grant, const SendSignal& request, const Done<Nothing>& done);
    void perform(const Key& grant, const Kill& request, const Done<Nothing>& done);
    void perform(const Key& grant, const Cleanup& request, const Done<Nothing>& done);
    /// Looks for them anew; blocks as FirecrackerFinder::open() does.
    Vmms vmms() noexcept;

    /// What a crash left: half-made jails are removed with what runs in them; VMMs that ended meanwhile are
    /// written down as exited; those that run are watched again; units and jails that no record knows are
    /// ended and removed; each in its VM's turn. For the start.
    void mend();

private:
    struct LaunchSteps;
    struct Watched {
        ProcessId id;
        OwnedFd pidfd;
        FdWatch ended;
    };
    using VmKey = std::pair<uint32_t, std::string>;

    /// Throws, with words, unless there is a Firecracker that can be launched. For any thread.
    FirecrackerPrograms open_firecracker();
    void find_programs(const std::shared_ptr<LaunchSteps>& steps);
    void launch(const std::shared_ptr<LaunchSteps>& steps);
    void start(const std::shared_ptr<LaunchSteps>& steps);
    void held(const std::shared_ptr<LaunchSteps>& steps, const ProcessId& monitor);
    void known(const std::shared_ptr<LaunchSteps>& steps, const ProcessId& main);
    void launched(const std::shared_ptr<LaunchSteps>& steps, Outcome<ProcessId> outcome);
    void undo_launch(const std::shared_ptr<LaunchSteps>& steps, const Error& error);
    /// Kills the VMM if it runs and all that came of it; `done` when all have ended.
    void kill(const VmRecord& record, const Done<Nothing>& done);
    void await_end(const VmRecord& record, OwnedFd pidfd, const Done<Nothing>& done);
    void sweep(const VmRecord& record, const Done<Nothing>& done);
    void remove_jail(const VmRecord& record, const Turn& turn, const Done<Nothing>& done);
    void remove_rest(const VmRecord& record, const Turn& turn, const Done<Nothing>& done);
    void watch(const VmRecord& record);
    void watched_ended(const VmKey& key);
    void reap(const VmKey& key);
    void ended(const VmKey& key);
    void mend_vm(VmRecord record);
    void mend_unit(const std::string& unit);
    void mend_folder(const std::string& name);
    template <class Body>
    static void mend_one(const std::string& name, Body body) noexcept;

    Ledger& ledger_;
    Lanes& lanes_;
    Workers& workers_;
    Network& network_;
    Storage& storage_;
    Mending& mending_;
    std::unique_ptr<Launcher> launcher_;
    FirecrackerFinder firecracker_;
    std::map<VmKey, Watched> watched_;
};

} // namespace banger::helper
