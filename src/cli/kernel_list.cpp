#include "base/size.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"
#include "cli/store_list.hpp"

#include <memory>

namespace banger::cli {

std::string kernel_listing(const std::vector<bus::Variants>& kernels, bool quiet, Format format,
                           uint64_t now) {
    auto array = Json::array();
    Table table({"NAME", "VERSION", "FORMAT", "SIZE", "CREATED"});
    std::string names;
    for (const auto& kernel : kernels) {
        const auto name = property<std::string>(kernel, "Name");
        const auto version = property<std::string>(kernel, "Version");
        const auto kind = property<std::string>(kernel, "Format");
        const auto size = property<uint64_t>(kernel, "Size");
        const auto created = property<uint64_t>(kernel, "CreatedAt");
        names += name + "\n";
        table.add({name, version, kind, human_size(size), age(created, now)});
        array.push_back({{"name", name},
                         {"version", version},
                         {"format", kind},
                         {"size", size},
                         {"created_at", time_json(created)}});
    }
    if (quiet)
        return names;
    return format == Format::Table ? table.text() : structured(array, format);
}

Action kernel_list(CLI::App& app, Invocation& invocation) {
    auto quiet = std::make_shared<bool>(false);
    app.add_flag("-q,--quiet", *quiet, "Only names");
    return [&invocation, quiet] {
        refuse_quiet_format(*quiet, invocation.format);
        Manager manager(invocation.op);
        const auto kernels =
            manager.call([&](ManagerProxy& proxy) { return proxy.ListKernels(manager.options()); });
        print(kernel_listing(kernels, *quiet, invocation.format, unix_now()));
        return 0;
    };
}

} // namespace banger::cli
