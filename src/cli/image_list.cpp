#include "base/size.hpp"
#include "cli/catalog_list.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"

#include <memory>

namespace banger::cli {

std::string image_listing(const std::vector<bus::Variants>& images, const ListOptions& options, Format format,
                          uint64_t now) {
    Listing listing({"NAME", "SIZE", "VIRTUAL", "CREATED", "SOURCE"}, {options.filters, {"name", "source"}});
    for (const auto& image : images) {
        const auto name = property<std::string>(image, "Name");
        const auto size = property<uint64_t>(image, "Size");
        const auto virtual_size = property<uint64_t>(image, "VirtualSize");
        const auto source = property<std::string>(image, "Source");
        const auto created = property<uint64_t>(image, "CreatedAt");
        listing.add({{"name", name},
                     {"size", size},
                     {"virtual_size", virtual_size},
                     {"source", source},
                     {"created_at", time_json(created)}},
                    {name, human_size(size), human_size(virtual_size), age(created, now), source});
    }
    return listing.text(options, format);
}

Action image_list(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ListOptions>();
    options->declare(app);
    return [&invocation, options] {
        options->check(invocation.format);
        Manager manager(invocation.op);
        const auto images =
            manager.call([&](ManagerProxy& proxy) { return proxy.ListImages(manager.options()); });
        print(image_listing(images, *options, invocation.format, unix_now()));
        return 0;
    };
}

} // namespace banger::cli
