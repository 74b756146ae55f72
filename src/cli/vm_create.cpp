#include "cli/command.hpp"
#include "cli/job.hpp"
#include "cli/vm_made.hpp"
#include "cli/vm_spec.hpp"

#include <memory>

namespace banger::cli {

Action vm_create(CLI::App& app, Invocation& invocation) {
    auto spec = std::make_shared<VmSpec>();
    auto start = std::make_shared<bool>(false);
    spec->declare(app);
    app.add_flag("--start", *start, "Start it as well, and wait until the guest is ready");
    return [&invocation, spec, start] {
        bus::Variants request;
        spec->add_to(request);
        if (*start)
            request["start"] = sdbus::Variant{true};
        const SignalScope signals;
        Manager manager(invocation.op);
        const auto vm = make_vm(manager, std::move(request), signals);
        print(made_text(vm, invocation.format));
        return 0;
    };
}

} // namespace banger::cli
