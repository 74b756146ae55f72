// org.banger.Helper1 on the bus: each method parses, passes the gate, performs, replies.
#pragma once

#include "bus/errors.hpp"
#include "bus/options.hpp"
#include "glue/org_banger_Helper1_adaptor.hpp"
#include "helper/gate.hpp"
#include "helper/image_files.hpp"
#include "helper/machine.hpp"
#include "helper/network.hpp"
#include "helper/waits.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace banger::helper {

/// For the loop's thread.
class Service : public sdbus::AdaptorInterfaces<org::banger::Helper1::Network_adaptor,
                                                org::banger::Helper1::Storage_adaptor,
                                                org::banger::Helper1::Machine_adaptor> {
public:
    Service(sdbus::IConnection& connection, Gate& gate, Network& network, Nat& nat, Resolver& resolver,
            Storage& storage, ImageFiles& image_files, Machine& machine, Waits& waits);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service();

    /// How many calls have come in.
    uint64_t calls() const noexcept { return calls_; }

private:
    using Variants = std::map<std::string, sdbus::Variant>;

    void EnsureBridge(sdbus::Result<>&& result, std::string bridge, std::string address,
                      Variants options) override;
    void DeleteBridge(sdbus::Result<>&& result, std::string bridge, Variants options) override;
    void CreateTap(sdbus::Result<std::string>&& result, std::string vm, std::string bridge,
                   Variants options) override;
    void DeleteTap(sdbus::Result<>&& result, std::string vm, Variants options) override;
    void SetNat(sdbus::Result<>&& result, std::string vm, std::string address, bool on,
                Variants options) override;
    void SetResolver(sdbus::Result<>&& result, std::string bridge, std::string server, uint16_t port,
                     Variants options) override;
    void ClearResolver(sdbus::Result<>&& result, std::string bridge, Variants options) override;
    void CreateSnapshot(sdbus::Result<std::string>&& result, std::string vm, sdbus::UnixFd rootfs,
                        sdbus::UnixFd cow, Variants options) override;
    void CheckSnapshot(sdbus::Result<>&& result, std::string vm, Variants options) override;
    void RemoveSnapshot(sdbus::Result<>&& result, std::string vm, Variants options) override;
    void ReadImageFile(sdbus::Result<std::vector<uint8_t>>&& result, std::string vm, std::string path,
                       Variants options) override;
    void WriteImageFiles(sdbus::Result<>&& result, std::string vm, GivenImageFiles files,
                         Variants options) override;
    void Launch(sdbus::Result<std::string, uint32_t, std::string, std::string>&& result, std::string vm,
                Variants options) override;
    void Inspect(sdbus::Result<Variants>&& result, std::string vm, Variants options) override;
    void List(sdbus::Result<std::vector<std::string>>&& result, Variants options) override;
    void Signal(sdbus::Result<>&& result, std::string vm, std::string signal, Variants options) override;
    void Kill(sdbus::Result<>&& result, std::string vm, Variants options) override;
    void Wait(sdbus::Result<>&& result, std::string vm, Variants options) override;
    void Cleanup(sdbus::Result<>&& result, std::string vm, Variants options) override;
    std::string Version() override;
    std::map<std::string, std::string> Vmms() override;
    std::map<std::string, std::string> VmmTroubles() override;

    /// The four lines of every method. `parse(options)` gives the request or throws; `perform(grant, request,
    /// done)` acts; `reply(result, value)` sends what came of it.
    template <Action A, class Value, class Parse, class Perform, class Reply, class... Results>
    void serve(sdbus::Result<Results...>&& result, Variants&& options, Parse parse, Perform perform,
               Reply reply) noexcept;

    std::shared_ptr<Call> begin();

    Gate& gate_;
    Network& network_;
    Nat& nat_;
    Resolver& resolver_;
    Storage& storage_;
    ImageFiles& image_files_;
    Machine& machine_;
    Waits& waits_;
    uint64_t calls_ = 0;
};

} // namespace banger::helper
