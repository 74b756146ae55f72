#include "cli/command.hpp"
#include "cli/import_source.hpp"
#include "cli/job.hpp"

#include <memory>

namespace banger::cli {

namespace {

int import(const Invocation& invocation, const ImportOptions& options) {
    auto request = options.request();
    const SignalScope signals;
    Manager manager(invocation.op);
    request.merge(manager.options());
    const std::string job = manager.call([&](ManagerProxy& proxy) { return proxy.ImportKernel(request); });
    const auto name = result_text(wait_for_job(manager, job, signals), "name");
    print(invocation.format == Format::Table ? name + "\n" : structured({{"name", name}}, invocation.format));
    return 0;
}

} // namespace

Action kernel_import(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<ImportOptions>();
    app.add_option("FILE", options->file, "A vmlinux or bzImage that has all it needs built in")
        ->type_name("");
    app.add_option("--deb", options->deb,
                   "A Debian kernel package to fetch (linux-image-cloud-amd64), or such a file")
        ->type_name("PACKAGE|FILE");
    app.add_option("-n,--name", options->name, "Its name; made from the kernel's version when absent")
        ->type_name("NAME");
    return [&invocation, options] { return import(invocation, *options); };
}

} // namespace banger::cli
