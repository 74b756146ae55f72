// A VM on the bus: org.banger.Vm1. Thin: it parses, and asks Vms.
#pragma once

#include "bus/errors.hpp"
#include "daemon/vm/state_waiters.hpp"
#include "glue/org_banger_Vm1_adaptor.hpp"

#include <memory>
#include <string>
#include <vector>

namespace banger::daemon {

class VmEntry;
class Vms;

class VmObject final : public sdbus::AdaptorInterfaces<org::banger::Vm1_adaptor, sdbus::Properties_adaptor,
                                                       sdbus::ManagedObject_adaptor> {
public:
    /// Both must outlive it; `entry` owns it.
    VmObject(sdbus::IConnection& connection, VmEntry& entry, Vms& vms);
    VmObject(const VmObject&) = delete;
    ~VmObject();

    /// Tells the bus that state, pid, ending or start time have changed.
    void emit_status();
    /// The same for name and settings.
    void emit_config();

private:
    sdbus::ObjectPath Start(const bus::Variants& options) override;
    sdbus::ObjectPath Stop(const bus::Variants& options) override;
    sdbus::ObjectPath Restart(const bus::Variants& options) override;
    sdbus::ObjectPath Pause(const bus::Variants& options) override;
    sdbus::ObjectPath Resume(const bus::Variants& options) override;
    void Rename(const std::string& name, const bus::Variants& options) override;
    sdbus::ObjectPath Set(const bus::Variants& options) override;
    bus::Variants Stats(const bus::Variants& options) override;
    sdbus::UnixFd ConsoleLog(const bus::Variants& options) override;
    void Wait(sdbus::Result<bus::Variants>&& result, bus::Variants options) override;
    sdbus::ObjectPath Kill(const bus::Variants& options) override;
    sdbus::ObjectPath Delete(const bus::Variants& options) override;
    void OpenSession(sdbus::Result<sdbus::UnixFd>&& result, bus::Variants options) override;

    std::string Id() override;
    std::string Name() override;
    std::string State() override;
    std::string Address() override;
    std::string Image() override;
    std::string Kernel() override;
    uint32_t Vcpus() override;
    uint32_t MemoryMiB() override;
    uint64_t DiskBytes() override;
    std::string Vmm() override;
    uint32_t Pid() override;
    std::string ExitReason() override;
    std::string ExitDetail() override;
    bool Nat() override;
    bool Ephemeral() override;
    uint64_t CreatedAt() override;
    uint64_t StartedAt() override;
    uint64_t LastActive() override;
    bool Protected() override;
    bool Autostart() override;
    uint32_t AutoStopAfter() override;

    void emit(const std::vector<const char*>& properties);

    VmEntry& entry_;
    Vms& vms_;
};

/// The answer of Wait, as a late reply.
StateWaiters::Answer status_answer(const std::shared_ptr<sdbus::Result<bus::Variants>>& late);
/// Its object path; the same for as long as the VM exists.
sdbus::ObjectPath vm_path(const VmEntry& entry);
/// All properties of org.banger.Vm1.
bus::Variants vm_properties(const VmEntry& entry);

} // namespace banger::daemon
