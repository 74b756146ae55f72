#include "cli/build_options.hpp"
#include "cli/command.hpp"
#include "cli/job.hpp"

#include <memory>

namespace banger::cli {

namespace {

int build(const Invocation& invocation, const BuildOptions& options) {
    auto request = options.request();
    const SignalScope signals;
    Manager manager(invocation.op);
    request.merge(manager.options());
    const std::string job = manager.call([&](ManagerProxy& proxy) { return proxy.BuildImage(request); });
    const auto name = result_text(wait_for_job(manager, job, signals), "name");
    print(invocation.format == Format::Table ? name + "\n" : structured({{"name", name}}, invocation.format));
    return 0;
}

} // namespace

Action image_build(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<BuildOptions>();
    options->declare(app);
    return [&invocation, options] { return build(invocation, *options); };
}

} // namespace banger::cli
