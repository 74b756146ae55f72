#include "daemon/vm/vm_object.hpp"

#include "bus/object_path.hpp"
#include "daemon/announce.hpp"
#include "daemon/handler.hpp"
#include "daemon/host.hpp"
#include "daemon/vm/vm_entry.hpp"
#include "daemon/vm/vms.hpp"

namespace banger::daemon {

namespace {

/// What runs it; else what it is to be run with.
const std::string& vmm_of(const VmEntry& entry) {
    return entry.status.vmm.empty() ? entry.config.vmm : entry.status.vmm;
}

} // namespace

VmObject::VmObject(sdbus::IConnection& connection, VmEntry& entry, Vms& vms)
    : AdaptorInterfaces(connection, bus::ObjectPath(bus::object_path("vm", entry.config.id.str())))
    , entry_(entry)
    , vms_(vms) {
    registerAdaptor();
    announce([&] { emitInterfacesAddedSignal({Vm1_adaptor::INTERFACE_NAME}); });
}

VmObject::~VmObject() {
    announce([&] { emitInterfacesRemovedSignal({Vm1_adaptor::INTERFACE_NAME}); });
    unregisterAdaptor();
}

void VmObject::emit_status() {
    emit({"State", "Pid", "Vmm", "ExitReason", "ExitDetail", "StartedAt"});
}

void VmObject::emit_config() {
    emit({"Name", "Vcpus", "MemoryMiB", "DiskBytes", "Nat", "Protected", "Autostart", "AutoStopAfter"});
}

void VmObject::emit(const std::vector<const char*>& properties) {
    announce([&] {
#if BANGER_SDBUS_2
        emitPropertiesChangedSignal(bus::InterfaceName(Vm1_adaptor::INTERFACE_NAME),
                                    std::vector<bus::PropertyName>(properties.begin(), properties.end()));
#else
        emitPropertiesChangedSignal(Vm1_adaptor::INTERFACE_NAME,
                                    std::vector<std::string>(properties.begin(), properties.end()));
#endif
    });
}

sdbus::ObjectPath VmObject::Start(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.start(entry_.shared_from_this(), parse_start(asked), request)->path();
    });
}

sdbus::ObjectPath VmObject::Stop(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.stop(entry_.shared_from_this(), parse_stop(asked), request)->path();
    });
}

sdbus::ObjectPath VmObject::Kill(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.kill(entry_.shared_from_this(), parse_kill(asked), request)->path();
    });
}

sdbus::ObjectPath VmObject::Restart(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.restart(entry_.shared_from_this(), parse_restart(asked), request)->path();
    });
}

sdbus::ObjectPath VmObject::Pause(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        asked.finish();
        return vms_.pause(entry_.shared_from_this(), request)->path();
    });
}

sdbus::ObjectPath VmObject::Resume(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        asked.finish();
        return vms_.resume(entry_.shared_from_this(), request)->path();
    });
}

void VmObject::Rename(const std::string& name, const bus::Variants& options) {
    handle(getObject(), options, [&](bus::Options& asked, const Request&) {
        asked.finish();
        vms_.rename(entry_.shared_from_this(), DnsLabel::parse(name, "VM name"));
    });
}

sdbus::ObjectPath VmObject::Set(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.set(entry_.shared_from_this(), parse_set(asked, host_memory_mib()), request)->path();
    });
}

bus::Variants VmObject::Stats(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request&) {
        asked.finish();
        return Vms::stats(entry_);
    });
}

sdbus::UnixFd VmObject::ConsoleLog(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request&) {
        return sdbus::UnixFd(Vms::console_log(entry_, parse_console_log(asked)).get());
    });
}

void VmObject::Wait(sdbus::Result<bus::Variants>&& result, bus::Variants options) {
    handle_late(getObject(), std::move(options), std::move(result),
                [&](bus::Options& asked, const Request& request, const auto& late) {
                    vms_.wait(entry_.shared_from_this(), parse_wait(asked), request.sender,
                              status_answer(late));
                });
}

sdbus::ObjectPath VmObject::Delete(const bus::Variants& options) {
    return handle(getObject(), options, [&](bus::Options& asked, const Request& request) {
        return vms_.remove(entry_.shared_from_this(), parse_delete(asked), request)->path();
    });
}

void VmObject::OpenSession(sdbus::Result<sdbus::UnixFd>&& result, bus::Variants options) {
    handle_late(getObject(), std::move(options), std::move(result),
                [&](bus::Options& asked, const Request&, auto& late) {
                    const bool early = parse_open_session(asked);
                    vms_.open_session(entry_.shared_from_this(), early, late);
                });
}

std::string VmObject::Id() {
    return entry_.config.id.str();
}
std::string VmObject::Name() {
    return entry_.config.name.str();
}
std::string VmObject::State() {
    return std::string(vm_state_name(entry_.status.state));
}
std::string VmObject::Address() {
    return entry_.config.address.str();
}
std::string VmObject::Image() {
    return entry_.config.image;
}
std::string VmObject::Kernel() {
    return entry_.config.kernel;
}
uint32_t VmObject::Vcpus() {
    return entry_.config.vcpus;
}
uint32_t VmObject::MemoryMiB() {
    return entry_.config.memory_mib;
}
uint64_t VmObject::DiskBytes() {
    return entry_.config.disk_bytes;
}
std::string VmObject::Vmm() {
    return vmm_of(entry_);
}
uint32_t VmObject::Pid() {
    return static_cast<uint32_t>(entry_.status.pid);
}
std::string VmObject::ExitReason() {
    return entry_.status.ending.reason;
}
std::string VmObject::ExitDetail() {
    return entry_.status.ending.detail;
}
bool VmObject::Nat() {
    return entry_.config.nat;
}
bool VmObject::Ephemeral() {
    return entry_.config.ephemeral;
}
uint64_t VmObject::CreatedAt() {
    return entry_.config.created_at;
}
uint64_t VmObject::StartedAt() {
    return entry_.status.started_at;
}
uint64_t VmObject::LastActive() {
    return entry_.status.last_active;
}
bool VmObject::Protected() {
    return entry_.config.is_protected;
}
bool VmObject::Autostart() {
    return entry_.config.autostart;
}
uint32_t VmObject::AutoStopAfter() {
    return entry_.config.auto_stop_after;
}

StateWaiters::Answer status_answer(const std::shared_ptr<sdbus::Result<bus::Variants>>& late) {
    return [late, op_id = current_op_id()](const std::variant<VmStatus, Error>& answer) {
        const OpScope scope(op_id);
        if (const auto* error = std::get_if<Error>(&answer))
            return bus::fail(*late, *error);
        const auto& status = std::get<VmStatus>(answer);
        announce([&] {
            late->returnResults({{"state", sdbus::Variant{std::string(vm_state_name(status.state))}},
                                 {"exit-reason", sdbus::Variant{status.ending.reason}},
                                 {"exit-detail", sdbus::Variant{status.ending.detail}}});
        });
    };
}

sdbus::ObjectPath vm_path(const VmEntry& entry) {
    return sdbus::ObjectPath(bus::object_path("vm", entry.config.id.str()));
}

bus::Variants vm_properties(const VmEntry& entry) {
    const auto& vm = entry.config;
    const auto& status = entry.status;
    return {
        {"Id", sdbus::Variant{vm.id.str()}},
        {"Name", sdbus::Variant{vm.name.str()}},
        {"State", sdbus::Variant{std::string(vm_state_name(status.state))}},
        {"Address", sdbus::Variant{vm.address.str()}},
        {"Image", sdbus::Variant{vm.image}},
        {"Kernel", sdbus::Variant{vm.kernel}},
        {"Vcpus", sdbus::Variant{vm.vcpus}},
        {"MemoryMiB", sdbus::Variant{vm.memory_mib}},
        {"DiskBytes", sdbus::Variant{vm.disk_bytes}},
        {"Vmm", sdbus::Variant{vmm_of(entry)}},
        {"Pid", sdbus::Variant{static_cast<uint32_t>(status.pid)}},
        {"ExitReason", sdbus::Variant{status.ending.reason}},
        {"ExitDetail", sdbus::Variant{status.ending.detail}},
        {"Nat", sdbus::Variant{vm.nat}},
        {"Ephemeral", sdbus::Variant{vm.ephemeral}},
        {"CreatedAt", sdbus::Variant{vm.created_at}},
        {"StartedAt", sdbus::Variant{status.started_at}},
        {"LastActive", sdbus::Variant{status.last_active}},
        {"Protected", sdbus::Variant{vm.is_protected}},
        {"Autostart", sdbus::Variant{vm.autostart}},
        {"AutoStopAfter", sdbus::Variant{vm.auto_stop_after}},
    };
}

} // namespace banger::daemon
