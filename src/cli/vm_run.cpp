#include "agent/client.hpp"
#include "cli/command.hpp"
#include "cli/report.hpp"
#include "cli/run_options.hpp"
#include "cli/session.hpp"
#include "cli/vm_made.hpp"
#include "cli/workspace.hpp"

#include <memory>

namespace banger::cli {

namespace {

constexpr auto usage = "banger vm run [OPTIONS] [PATH] -- COMMAND …";

/// Sends the workspace's files into the guest. A signal ends that, with Interrupted.
void send_workspace(Manager& manager, const MadeVm& vm, const Workspace& workspace,
                    const SignalScope& signals) {
    const auto session = open_session(manager, vm.id);
    agent::TreeReader files(workspace.root, workspace.files);
    StopOnSignal stopper(signals);
    try {
        agent::put(session.get(), {workspace.guest_root()}, files, manager.op(), stopper.token());
    } catch (Error& error) {
        if (stopper.signal() != 0)
            throw Interrupted{stopper.signal()};
        error.at_step("workspace").in_operation(manager.op());
        throw;
    }
}

/// Ends the VM that a run was for: deletes it, or shuts it down so that its disk is whole. Only the daemon's
/// consent is waited for. The daemon would do the same when it sees this process leave the bus.
void leave_vm(Manager& manager, const MadeVm& vm, bool remove) noexcept {
    try {
        auto options = manager.options();
        if (remove)
            options["force"] = sdbus::Variant{true};
        manager.call([&](ManagerProxy& proxy) {
            return remove ? proxy.DeleteVm(vm.id, options) : proxy.StopVm(vm.id, options);
        });
    } catch (const Error& error) {
        // Gone already: the guest ended itself, and was to be deleted then.
        if (error.code() != ErrorCode::NotFound)
            warn("cannot end the VM " + vm.name + ": " + error.message());
    }
}

/// Runs `body`, and ends the VM after it, however it goes.
template <class Body>
int with_vm(Manager& manager, const MadeVm& vm, bool remove, Body&& body) {
    try {
        const int status = body();
        leave_vm(manager, vm, remove);
        return status;
    } catch (...) {
        leave_vm(manager, vm, remove);
        throw;
    }
}

int run_detached(const Invocation& invocation, const RunOptions& options,
                 const std::optional<Workspace>& workspace) {
    auto wanted = options.create_request();
    const SignalScope signals;
    Manager manager(invocation.op);
    const auto vm = make_vm(manager, std::move(wanted), signals);
    try {
        if (workspace)
            send_workspace(manager, vm, *workspace, signals);
    } catch (...) {
        leave_vm(manager, vm, true); // nobody has seen its name yet
        throw;
    }
    print(made_text(vm, invocation.format));
    return 0;
}

int run_attached(const Invocation& invocation, const RunOptions& options,
                 const std::optional<Workspace>& workspace) {
    const auto terminals = Terminals::of_process();
    auto request = options.exec.request(invocation.command, terminals, usage);
    if (request.cwd.empty() && workspace)
        request.cwd = workspace->guest_directory();
    auto wanted = options.create_request();
    auto signals = std::make_unique<SignalScope>();
    Manager manager(invocation.op);
    const auto vm = make_vm(manager, std::move(wanted), *signals);
    return with_vm(manager, vm, options.remove, [&] {
        if (workspace)
            send_workspace(manager, vm, *workspace, *signals);
        const auto session = open_session_early(manager, vm.id);
        signals.reset(); // from here on they are the command's
        return exec_in_guest(session.get(), request, terminals, manager.op());
    });
}

} // namespace

Action vm_run(CLI::App& app, Invocation& invocation) {
    auto options = std::make_shared<RunOptions>();
    options->declare(app);
    return [&invocation, options] {
        options->check(invocation.command.has_value());
        std::optional<Workspace> workspace;
        if (!options->path.empty())
            workspace = open_workspace(options->path);
        return options->detach ? run_detached(invocation, *options, workspace)
                               : run_attached(invocation, *options, workspace);
    };
}

} // namespace banger::cli
