#include "base/size.hpp"
#include "cli/command.hpp"
#include "cli/manager.hpp"
#include "cli/properties.hpp"
#include "cli/store_list.hpp"

#include <memory>

namespace banger::cli {

std::string image_listing(const std::vector<bus::Variants>& images, bool quiet, Format format, uint64_t now) {
    auto array = Json::array();
    Table table({"NAME", "SIZE", "VIRTUAL", "CREATED", "SOURCE"});
    std::string names;
    for (const auto& image : images) {
        const auto name = property<std::string>(image, "Name");
        const auto size = property<uint64_t>(image, "Size");
        const auto virtual_size = property<uint64_t>(image, "VirtualSize");
        const auto source = property<std::string>(image, "Source");
        const auto created = property<uint64_t>(image, "CreatedAt");
        names += name + "\n";
        table.add({name, human_size(size), human_size(virtual_size), age(created, now), source});
        array.push_back({{"name", name},
                         {"size", size},
                         {"virtual_size", virtual_size},
                         {"source", source},
                         {"created_at", time_json(created)}});
    }
    if (quiet)
        return names;
    return format == Format::Table ? table.text() : structured(array, format);
}

Action image_list(CLI::App& app, Invocation& invocation) {
    auto quiet = std::make_shared<bool>(false);
    app.add_flag("-q,--quiet", *quiet, "Only names");
    return [&invocation, quiet] {
        refuse_quiet_format(*quiet, invocation.format);
        Manager manager(invocation.op);
        const auto images =
            manager.call([&](ManagerProxy& proxy) { return proxy.ListImages(manager.options()); });
        print(image_listing(images, *quiet, invocation.format, unix_now()));
        return 0;
    };
}

} // namespace banger::cli
