#include "cli/command.hpp"
#include "cli/copy.hpp"
#include "cli/job.hpp"
#include "cli/report.hpp"

#include <memory>

namespace banger::cli {

namespace {

struct CopyWords {
    std::vector<std::string> paths;
    CopyOptions options;
};

/// Which way it goes: exactly one side is in a VM.
void check_sides(const CopyPath& source, const CopyPath& target) {
    if (source.vm.empty() == target.vm.empty())
        throw Error(ErrorCode::InvalidArgument,
                    source.vm.empty() ? "neither path is in a VM" : "both paths are in VMs",
                    source.vm.empty() ? "write NAME:PATH for the one that is"
                                      : "copy to this computer first, and from here to the other VM");
}

agent::TransferSummary copy_one(Copier& copier, const CopyPath& source, const CopyPath& target) {
    return source.vm.empty() ? copier.in(source.path, target) : copier.out(source, target.path);
}

int copy_all(Invocation& invocation, const CopyWords& words) {
    const auto target = parse_copy_path(words.paths.back());
    std::vector<CopyPath> sources;
    for (size_t i = 0; i + 1 < words.paths.size(); i++) {
        sources.push_back(parse_copy_path(words.paths[i]));
        check_sides(sources.back(), target);
    }
    auto options = words.options;
    options.several = sources.size() > 1;
    Manager manager(invocation.op);
    const SignalScope signals;
    StopOnSignal stopper(signals);
    Copier copier(manager, options, stopper.token());
    uint64_t skipped = 0;
    for (size_t i = 0; i < sources.size(); i++) {
        try {
            skipped += copy_one(copier, sources[i], target).skipped;
        } catch (Error& error) {
            if (stopper.signal() != 0)
                throw Interrupted{stopper.signal()};
            error.at_step("copy " + words.paths[i]);
            throw;
        }
    }
    if (skipped > 0)
        warn("sockets, devices and pipes were left out: " + std::to_string(skipped));
    return 0;
}

} // namespace

Action vm_cp(CLI::App& app, Invocation& invocation) {
    auto words = std::make_shared<CopyWords>();
    app.add_option("PATH", words->paths, "What to copy, and where to; NAME:PATH is in a VM")
        ->required()
        ->expected(2, -1)
        ->type_name("");
    app.add_flag("-a,--archive", words->options.archive, "Keep user and group of the files");
    app.add_flag("-L,--follow-link", words->options.follow,
                 "Where a source is a symlink, copy what it leads to");
    app.footer("One side is in a VM: banger vm cp ./file NAME:/root/");
    return [&invocation, words] { return copy_all(invocation, *words); };
}

} // namespace banger::cli
