#include "cli/vm_spec.hpp"

#include "base/error.hpp"
#include "base/names.hpp"
#include "base/size.hpp"

namespace banger::cli {

namespace {

constexpr uint64_t mib = uint64_t{1} << 20;

/// Says which option a size was for.
uint64_t size_option(const char* option, const std::string& text, uint64_t bare_unit) {
    try {
        return parse_size(text, bare_unit);
    } catch (const Error& error) {
        throw Error(error.code(), std::string(option) + ": " + error.message(), error.hint());
    }
}

uint32_t memory_mib(const std::string& text) {
    const auto bytes = size_option("--memory", text, mib);
    if (bytes % mib != 0 || bytes / mib > UINT32_MAX)
        throw Error(ErrorCode::InvalidArgument, "--memory: '" + text + "' is not a whole number of MiB",
                    "write 512, 512M or 2G");
    return static_cast<uint32_t>(bytes / mib);
}

} // namespace

void VmSpec::declare(CLI::App& app) {
    app.add_option("-n,--name", name, "Its name; made up when absent")->type_name("NAME");
    app.add_option("--image", image, "The image it starts from; the newest when absent")->type_name("NAME");
    app.add_option("--kernel", kernel, "The kernel it boots; the newest when absent")->type_name("NAME");
    app.add_option("--vcpu,--vcpus", vcpus, "Virtual CPUs (2)")->type_name("NUMBER");
    app.add_option("--memory", memory, "Memory: 512 (MiB) or 2G (512M)")->type_name("SIZE");
    app.add_option("--disk", disk, "Size of its writable disk: 8G (4G)")->type_name("SIZE");
    auto* with = app.add_flag_callback(
        "--nat", [this] { nat = true; }, "It reaches what this computer reaches (the default)");
    app.add_flag_callback(
           "--no-nat", [this] { nat = false; }, "It reaches this computer, and nothing beyond")
        ->excludes(with);
    app.add_option("--vmm", vmm, "What runs it: auto, firecracker or qemu (auto)")->type_name("NAME");
    app.add_option("--null-mode", null_mode)->group("");
}

void VmSpec::add_to(bus::Variants& request) const {
    if (!name.empty())
        request["name"] = sdbus::Variant{DnsLabel::parse(name, "VM name").str()};
    if (!image.empty())
        request["image"] = sdbus::Variant{StoreName::parse(image, "image name").str()};
    if (!kernel.empty())
        request["kernel"] = sdbus::Variant{StoreName::parse(kernel, "kernel name").str()};
    if (vcpus && *vcpus == 0)
        throw Error(ErrorCode::InvalidArgument, "--vcpu: a VM needs at least one CPU");
    if (vcpus)
        request["vcpus"] = sdbus::Variant{*vcpus};
    if (!memory.empty())
        request["memory-mib"] = sdbus::Variant{memory_mib(memory)};
    if (!disk.empty())
        request["disk-bytes"] = sdbus::Variant{size_option("--disk", disk, 1)};
    if (nat)
        request["nat"] = sdbus::Variant{*nat};
    if (!vmm.empty())
        request["vmm"] = sdbus::Variant{vmm};
    if (!null_mode.empty())
        request["null-mode"] = sdbus::Variant{null_mode};
}

} // namespace banger::cli
