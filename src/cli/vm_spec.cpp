#include "cli/vm_spec.hpp"

#include "base/names.hpp"

namespace banger::cli {

void VmSpec::declare(CLI::App& app) {
    app.add_option("-n,--name", name, "Its name; made up when absent")->type_name("NAME");
    app.add_option("--image", image, "The image it starts from; the newest when absent")->type_name("NAME");
    app.add_option("--kernel", kernel, "The kernel it boots; the newest when absent")->type_name("NAME");
    shape.declare(app);
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
    shape.add_to(request);
    if (!vmm.empty())
        request["vmm"] = sdbus::Variant{vmm};
    if (!null_mode.empty())
        request["null-mode"] = sdbus::Variant{null_mode};
}

} // namespace banger::cli
