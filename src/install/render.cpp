// Fills the templates. A placeholder is @name@.
#include "base/error.hpp"
#include "install/metadata.hpp"
#include "install/templates.hpp"

#include <utility>
#include <vector>

namespace banger::install {

namespace {

using Values = std::vector<std::pair<std::string_view, std::string>>;

std::string fill(std::string_view text, const Values& values) {
    std::string result(text);
    for (const auto& [name, value] : values) {
        const auto placeholder = "@" + std::string(name) + "@";
        for (size_t at = 0; (at = result.find(placeholder, at)) != result.npos; at += value.size())
            result.replace(at, placeholder.size(), value);
    }
    return result;
}

/// The text between the lines that hold "begin `name`" and "end `name`", without them; `values` of each row
/// are filled in.
std::string repeat(std::string_view text, std::string_view name, const std::vector<Values>& rows) {
    const auto line_of = [&](const std::string& mark) {
        const auto at = text.find(mark);
        if (at == text.npos)
            throw Error(ErrorCode::Internal, "template without \"" + mark + "\"");
        const auto begin = text.rfind('\n', at) + 1;
        return std::pair(begin, text.find('\n', at) + 1);
    };
    const auto head = line_of("begin " + std::string(name));
    const auto tail = line_of("end " + std::string(name));
    std::string result(text.substr(0, head.first));
    for (const auto& row : rows)
        result += fill(text.substr(head.second, tail.first - head.second), row);
    return result += text.substr(tail.second);
}

/// `text` with the folder of the programs. Bus and systemd split Exec= and ExecStart= into words as a shell
/// does, and systemd has its specifiers (%): a folder that needs quoting is refused rather than quoted.
std::string with_bindir(std::string_view text, const std::string& bindir) {
    if (!bindir.starts_with('/') || bindir.find_first_of(" \t\r\n\"'\\$`%;@") != bindir.npos)
        throw Error(ErrorCode::InvalidArgument,
                    "\"" + bindir + "\" cannot hold programs that D-Bus activates",
                    "use an absolute path without spaces, quotes, backslashes and any of $ ` % ; @");
    return fill(text, {{"bindir", bindir}});
}

std::string activation(std::string_view text, const std::string& bindir, bool systemd) {
    auto filled = with_bindir(text, bindir);
    const auto at = filled.find("SystemdService=");
    if (!systemd && at != filled.npos)
        filled.erase(at, filled.find('\n', at) + 1 - at);
    return filled;
}

} // namespace

std::string render_bus_policy(const Metadata& metadata) {
    check(metadata);
    std::vector<Values> rows;
    rows.reserve(metadata.owners.size());
    for (const auto& owner : metadata.owners)
        rows.push_back({{"owner", owner.name}});
    return repeat(templates::bus_policy, "owner", rows);
}

std::string render_polkit_rules(const Metadata& metadata) {
    check(metadata);
    std::string owners;
    for (const auto& owner : metadata.owners)
        owners += (owners.empty() ? "\"" : ", \"") + owner.name + "\"";
    return fill(templates::polkit_rules, {{"owners", owners}});
}

std::string render_polkit_policy() {
    return std::string(templates::polkit_policy);
}

std::string render_helper_unit(const std::string& bindir) {
    return with_bindir(templates::helper_unit, bindir);
}

std::string render_daemon_unit(const std::string& bindir) {
    return with_bindir(templates::daemon_unit, bindir);
}

std::string render_slice() {
    return std::string(templates::slice);
}

std::string render_tmpfiles() {
    return std::string(templates::tmpfiles);
}

std::string render_helper_activation(const std::string& bindir, bool systemd) {
    return activation(templates::helper_service, bindir, systemd);
}

std::string render_manager_activation(const std::string& bindir, bool systemd) {
    return activation(templates::manager_service, bindir, systemd);
}

} // namespace banger::install
