#include "install/removal.hpp"

#include "base/companion.hpp"
#include "base/error.hpp"
#include "base/process.hpp"

#include <nlohmann/json.hpp>

namespace banger::install {

namespace {

std::string run_helper(const std::string& mode) {
    ProcessSpec spec;
    spec.program = program_directory() + "/banger";
    spec.arguments = {"helper", mode};
    spec.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "BANGER_LOG_TARGET=stderr"};
    return run_checked(std::move(spec));
}

} // namespace

std::vector<KnownVm> parse_known_vms(std::string_view text) {
    std::vector<KnownVm> vms;
    try {
        for (const auto& entry : nlohmann::json::parse(text))
            vms.push_back({entry.at("uid").get<unsigned>(), entry.at("vm").get<std::string>(),
                           entry.at("running").get<bool>()});
    } catch (const nlohmann::json::exception& error) {
        throw Error(ErrorCode::Internal,
                    "the helper's list of VMs cannot be read: " + std::string(error.what()),
                    "install banger again, all of it");
    }
    return vms;
}

std::vector<KnownVm> known_vms() {
    return parse_known_vms(run_helper("--list"));
}

void remove_everything() {
    run_helper("--remove-all");
}

} // namespace banger::install
