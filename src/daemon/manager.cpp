#include "daemon/manager.hpp"

#include "base/log.hpp"
#include "bus/object_path.hpp"
#include "daemon/handler.hpp"
#include "daemon/host.hpp"

#include <cstdlib>

namespace banger::daemon {

Manager::Manager(sdbus::IConnection& connection, Vms& vms, Catalog& catalog)
    : AdaptorInterfaces(connection, bus::ObjectPath(bus::manager_path))
    , vms_(vms)
    , catalog_(catalog) {
    registerAdaptor();
}

Manager::~Manager() {
    unregisterAdaptor();
}

Manager::Path Manager::CreateVm(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        return vms_.create(parse_create(options, host_memory_mib()), request)->path();
    });
}

Manager::Path Manager::GetVm(const std::string& name) {
    return handle(getObject(), {}, [&](bus::Options&, const Request&) { return vm_path(*vms_.find(name)); });
}

Manager::List Manager::ListVms(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        List all;
        for (const auto& entry : vms_.list())
            all.push_back(vm_properties(*entry));
        return all;
    });
}

Manager::Path Manager::StartVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const auto timeout = parse_start(options);
        return vms_.start(vms_.find(name), timeout, request)->path();
    });
}

Manager::Path Manager::StopVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const auto wanted = parse_stop(options);
        return vms_.stop(vms_.find(name), wanted, request)->path();
    });
}

Manager::Path Manager::RestartVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const auto wanted = parse_restart(options);
        return vms_.restart(vms_.find(name), wanted, request)->path();
    });
}

Manager::Path Manager::KillVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const auto signal = parse_kill(options);
        return vms_.kill(vms_.find(name), signal, request)->path();
    });
}

Manager::Path Manager::PauseVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        options.finish();
        return vms_.pause(vms_.find(name), request)->path();
    });
}

Manager::Path Manager::ResumeVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        options.finish();
        return vms_.resume(vms_.find(name), request)->path();
    });
}

void Manager::RenameVm(const std::string& name, const std::string& new_name, const bus::Variants& values) {
    handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        vms_.rename(vms_.find(name), DnsLabel::parse(new_name, "VM name"));
    });
}

Manager::Path Manager::SetVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const auto wanted = parse_set(options, host_memory_mib());
        return vms_.set(vms_.find(name), wanted, request)->path();
    });
}

void Manager::WaitVm(sdbus::Result<bus::Variants>&& result, std::string name, bus::Variants values) {
    handle_late(getObject(), std::move(values), std::move(result),
                [&](bus::Options& options, const Request& request, const auto& late) {
                    auto wanted = parse_wait(options);
                    vms_.wait(vms_.find(name), std::move(wanted), request.sender, status_answer(late));
                });
}

bus::Variants Manager::VmStats(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        return Vms::stats(*vms_.find(name));
    });
}

sdbus::UnixFd Manager::VmConsoleLog(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request&) {
        const bool previous = parse_console_log(options);
        return sdbus::UnixFd(Vms::console_log(*vms_.find(name), previous).get());
    });
}

Manager::Path Manager::PruneVms(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        return vms_.prune(parse_prune(options), request)->path();
    });
}

Manager::Path Manager::DeleteVm(const std::string& name, const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        const bool force = parse_delete(options);
        return vms_.remove(vms_.find(name), force, request)->path();
    });
}

void Manager::OpenSession(sdbus::Result<sdbus::UnixFd>&& result, std::string name, bus::Variants values) {
    handle_late(getObject(), std::move(values), std::move(result),
                [&](bus::Options& options, const Request&, const LateSession& late) {
                    const bool early = parse_open_session(options);
                    vms_.open_session(vms_.find(name), early, late);
                });
}

Manager::Path Manager::ImportKernel(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        return catalog_.import(parse_kernel_wish(options), request)->path();
    });
}

Manager::List Manager::ListKernels(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        List all;
        for (const auto& kernel : catalog_.kernels())
            all.push_back(properties(kernel));
        return all;
    });
}

void Manager::DeleteKernel(const std::string& name, const bus::Variants& values) {
    handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        const auto kernel = StoreName::parse(name, "kernel name");
        if (vms_.uses_kernel(kernel.str()))
            throw Error(ErrorCode::Busy, "kernel " + kernel.str() + " is used by a VM",
                        "delete that VM first");
        catalog_.remove_kernel(kernel);
    });
}

Manager::Path Manager::BuildImage(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request& request) {
        return catalog_.build(parse_build(options), request)->path();
    });
}

Manager::List Manager::ListImages(const bus::Variants& values) {
    return handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        List all;
        for (const auto& image : catalog_.images())
            all.push_back(properties(image));
        return all;
    });
}

void Manager::DeleteImage(const std::string& name, const bus::Variants& values) {
    handle(getObject(), values, [&](bus::Options& options, const Request&) {
        options.finish();
        const auto image = StoreName::parse(name, "image name");
        if (vms_.uses_image(image.str()))
            throw Error(ErrorCode::Busy, "image " + image.str() + " is used by a VM", "delete that VM first");
        catalog_.remove_image(image);
    });
}

std::string Manager::Version() {
    return BANGER_VERSION;
}

std::string Manager::Vmm() {
    return vms_.automatic_vmm();
}

std::string Manager::Accelerator() {
    try {
        if (accelerator_.empty())
            accelerator_ = accelerator();
    } catch (const Error& error) {
        log::warning("cannot tell how guests run here: " + error.message());
        return "tcg";
    }
    return accelerator_;
}

std::string Manager::Installation() {
    const char* instance = std::getenv("BANGER_INSTANCE");
    return instance && *instance ? instance : "system";
}

} // namespace banger::daemon
