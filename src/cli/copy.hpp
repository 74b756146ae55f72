// Copies between this computer and a VM.
#pragma once

#include "agent/protocol.hpp"
#include "base/fd.hpp"
#include "cli/copy_meter.hpp"
#include "cli/copy_path.hpp"
#include "cli/manager.hpp"
#include "cli/signals.hpp"

#include <stop_token>

namespace banger::cli {

struct CopyOptions {
    bool archive = false; ///< keep user and group
    bool follow = false;  ///< a source that is a symlink: what it leads to
    bool several = false; ///< more than one source: the target must be a folder
};

/// What is at a path here, as the guest's agent tells it of a path there.
agent::PathStatus local_status(const std::string& path);

/// Each gives what was copied; errors name the file. A copy that is broken off leaves no half file behind.
class Copier {
public:
    Copier(Manager& manager, CopyOptions options, std::stop_token stop)
        : manager_(manager)
        , options_(options)
        , stop_(std::move(stop)) {}

    /// A path here to one in a VM.
    agent::TransferSummary in(const std::string& path, const CopyPath& target);
    /// A path in a VM to one here.
    agent::TransferSummary out(const CopyPath& source, const std::string& path);

private:
    OwnedFd session_of(const std::string& vm);
    agent::PathStatus status(const CopyPath& path);
    void need_folder(const CopyPath& target, const agent::PathStatus& there) const;

    Manager& manager_;
    CopyOptions options_;
    std::stop_token stop_;
    CopyMeter meter_;
};

} // namespace banger::cli
