#include "base/size.hpp"
#include "cli/catalog_list.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"

#include <memory>

namespace banger::cli {

std::string kernel_listing(const std::vector<bus::Variants>& kernels, const ListOptions& options,
                           Format format, uint64_t now) {
    Listing listing({"NAME", "VERSION", "FORMAT", "SIZE", "CREATED"},
                    {options.filters, {"name", "version", "format"}});
    for (const auto& kernel : kernels) {
        const auto name = property<std::string>(kernel, "Name");
        const auto version = property<std::string>(kernel, "Version");
        const auto kind = property<std::string>(kernel, "Format");
        const auto size = property<uint64_t>(kernel, "Size");
        const auto created = property<uint64_t>(kernel, "CreatedAt");
        listing.add({{"name", name},
                     {"version", version},
                     {"format", kind},
                     {"size", size},
                     {"created_at", time_json(created)}},
                    {name, version, kind, human_size(size), age(created, now)});
    }
    return listing.text(options, format);
}

Action kernel_list(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ListOptions>();
    options->declare(app);
    return [&invocation, options] {
        options->check(invocation.format);
        Manager manager(invocation.op);
        const auto kernels =
            manager.call([&](ManagerProxy& proxy) { return proxy.ListKernels(manager.options()); });
        print(kernel_listing(kernels, *options, invocation.format, unix_now()));
        return 0;
    };
}

} // namespace banger::cli
