// Images and kernels on the bus: org.banger.Image1, org.banger.Kernel1. They never change, they come and go.
#pragma once

#include "bus/compat.hpp"
#include "daemon/image/image_store.hpp"
#include "daemon/kernel/kernel_store.hpp"
#include "glue/org_banger_Image1_adaptor.hpp"
#include "glue/org_banger_Kernel1_adaptor.hpp"

#include <string>

namespace banger::daemon {

class ImageObject final
    : public sdbus::AdaptorInterfaces<org::banger::Image1_adaptor, sdbus::ManagedObject_adaptor> {
public:
    ImageObject(sdbus::IConnection& connection, ImageInfo info);
    ImageObject(const ImageObject&) = delete;
    ~ImageObject();
    const ImageInfo& info() const noexcept { return info_; }

private:
    std::string Name() override { return info_.name; }
    uint64_t Size() override { return info_.size; }
    uint64_t VirtualSize() override { return info_.virtual_size; }
    std::string Source() override { return info_.source; }
    uint64_t CreatedAt() override;

    ImageInfo info_;
};

class KernelObject final
    : public sdbus::AdaptorInterfaces<org::banger::Kernel1_adaptor, sdbus::ManagedObject_adaptor> {
public:
    KernelObject(sdbus::IConnection& connection, KernelInfo info);
    KernelObject(const KernelObject&) = delete;
    ~KernelObject();
    const KernelInfo& info() const noexcept { return info_; }

private:
    std::string Name() override { return info_.name; }
    std::string Version() override { return info_.version; }
    std::string Format() override { return info_.format; }
    uint64_t Size() override { return info_.size; }
    uint64_t CreatedAt() override;

    KernelInfo info_;
};

bus::Variants properties(const ImageInfo& info);
bus::Variants properties(const KernelInfo& info);
sdbus::ObjectPath path_of(const ImageInfo& info);
sdbus::ObjectPath path_of(const KernelInfo& info);

/// "2025-01-31T12:00:00Z" as µs since the Unix epoch; 0 for what is no such time.
uint64_t parse_utc(const std::string& text);

} // namespace banger::daemon
