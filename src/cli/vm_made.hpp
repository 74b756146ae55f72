// Making a VM.
#pragma once

#include "cli/job.hpp"
#include "cli/output.hpp"

#include <string>

namespace banger::cli {

struct MadeVm {
    std::string id;
    std::string name;
};

/// Calls CreateVm with `request` and waits for the job.
MadeVm make_vm(Manager& manager, bus::Variants request, const SignalScope& signals);
/// Its name for people, {"id", "name"} for programs.
std::string made_text(const MadeVm& vm, Format format);

} // namespace banger::cli
