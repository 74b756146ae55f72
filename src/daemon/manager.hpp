// org.banger.Manager1 on the bus. Thin: it parses, and asks Vms and Catalog.
#pragma once

#include "bus/errors.hpp"
#include "daemon/catalog.hpp"
#include "daemon/vm/vms.hpp"
#include "glue/org_banger_Manager1_adaptor.hpp"

#include <string>
#include <vector>

namespace banger::daemon {

class Manager final
    : public sdbus::AdaptorInterfaces<org::banger::Manager1_adaptor, sdbus::Properties_adaptor,
                                      sdbus::ObjectManager_adaptor> {
public:
    Manager(sdbus::IConnection& connection, Vms& vms, Catalog& catalog);
    Manager(const Manager&) = delete;
    ~Manager();

private:
    using Path = sdbus::ObjectPath;
    using List = std::vector<bus::Variants>;

    Path CreateVm(const bus::Variants& options) override;
    Path GetVm(const std::string& name) override;
    List ListVms(const bus::Variants& options) override;
    Path StartVm(const std::string& name, const bus::Variants& options) override;
    Path StopVm(const std::string& name, const bus::Variants& options) override;
    Path RestartVm(const std::string& name, const bus::Variants& options) override;
    Path KillVm(const std::string& name, const bus::Variants& options) override;
    Path PauseVm(const std::string& name, const bus::Variants& options) override;
    Path ResumeVm(const std::string& name, const bus::Variants& options) override;
    void RenameVm(const std::string& name, const std::string& new_name,
                  const bus::Variants& options) override;
    Path SetVm(const std::string& name, const bus::Variants& options) override;
    void WaitVm(sdbus::Result<bus::Variants>&& result, std::string name, bus::Variants options) override;
    bus::Variants VmStats(const std::string& name, const bus::Variants& options) override;
    sdbus::UnixFd VmConsoleLog(const std::string& name, const bus::Variants& options) override;
    Path PruneVms(const bus::Variants& options) override;
    Path DeleteVm(const std::string& name, const bus::Variants& options) override;
    void OpenSession(sdbus::Result<sdbus::UnixFd>&& result, std::string name, bus::Variants options) override;
    Path ImportKernel(const bus::Variants& options) override;
    List ListKernels(const bus::Variants& options) override;
    void DeleteKernel(const std::string& name, const bus::Variants& options) override;
    Path BuildImage(const bus::Variants& options) override;
    List ListImages(const bus::Variants& options) override;
    void DeleteImage(const std::string& name, const bus::Variants& options) override;

    std::string Version() override;
    std::string Vmm() override;
    std::string Accelerator() override;
    std::string Installation() override;

    Vms& vms_;
    Catalog& catalog_;
    std::string accelerator_; ///< found out when first asked for: getters may not fail
};

} // namespace banger::daemon
