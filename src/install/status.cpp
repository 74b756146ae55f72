#include "base/error.hpp"
#include "install/digest.hpp"
#include "install/install.hpp"

#include <unistd.h>

#include <algorithm>

namespace banger::install {

namespace {

std::string file_state(const Tree& tree, const InstalledFile& record) {
    try {
        const auto current = tree.look(record.path);
        if (!current)
            return "missing";
        return current->regular && sha256(current->content) == record.sha256 ? "ok" : "changed";
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotAuthorized)
            throw;
        return "unreadable"; // polkit's rules are, to most accounts
    }
}

} // namespace

std::vector<FileStatus> file_states(const Tree& tree, const Metadata& metadata) {
    std::vector<FileStatus> states;
    for (const auto& record : metadata.files)
        states.push_back({record.path, file_state(tree, record)});
    return states;
}

StatusReport status(const std::string& root) {
    const Tree tree(root);
    StatusReport report;
    try {
        report.metadata = read_metadata(tree.at(metadata_path));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound)
            throw;
        return report;
    }
    report.installed = true;
    for (auto& file : file_states(tree, report.metadata))
        if (file.state != "ok" && file.state != "unreadable")
            report.files.push_back(std::move(file));
    report.interrupted = std::any_of(report.metadata.files.begin(), report.metadata.files.end(),
                                     [](const auto& file) { return file.under_way(); }) ||
                         !report.metadata.leaving.empty();
    if (tree.is_system() && booted_with_systemd())
        report.helper = Systemd().state(helper_unit_name);
    if (tree.is_system() && ::geteuid() == 0)
        report.vms = known_vms();
    return report;
}

} // namespace banger::install
