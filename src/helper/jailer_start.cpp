#include "helper/jailer_start.hpp"

#include "jail/jailer_plan.hpp"

namespace banger::helper {

using jail::BindMode;

JailerStart jailer_start(const JailSpec& spec) {
    jail::JailerPlan plan{std::string(jails_folder) + "/" + spec.name, spec.vm, spec.uid, spec.gid, {}};
    JailerStart start{{}, {spec.output_fd, spec.jailer_fd, spec.program_fd}};
    const auto add = [&](BindMode mode, const std::string& path, int fd) {
        if (fd < 0)
            return;
        plan.binds.push_back({mode, path});
        start.descriptors.push_back(fd);
    };
    add(BindMode::Folder, "/run", spec.run_fd);
    add(BindMode::ReadOnly, "/kernel", spec.kernel_fd);
    add(BindMode::ReadOnly, "/initrd", spec.initrd_fd);
    for (const auto& drive : spec.drives)
        add(drive.read_only ? BindMode::ReadOnly : BindMode::ReadWrite, "/drives/" + drive.name, drive.fd);
    start.plan = jail::to_plan(plan);
    return start;
}

} // namespace banger::helper
