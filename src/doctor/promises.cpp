#include "doctor/promises.hpp"

#include "base/error.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <sstream>
#include <tuple>

namespace banger::doctor {

namespace {

constexpr std::pair<std::string_view, unsigned> capabilities[] = {
    {"CAP_CHOWN", CAP_CHOWN},           {"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE},
    {"CAP_FOWNER", CAP_FOWNER},         {"CAP_KILL", CAP_KILL},
    {"CAP_MKNOD", CAP_MKNOD},           {"CAP_NET_ADMIN", CAP_NET_ADMIN},
    {"CAP_NET_RAW", CAP_NET_RAW},       {"CAP_SETGID", CAP_SETGID},
    {"CAP_SETUID", CAP_SETUID},         {"CAP_SYS_ADMIN", CAP_SYS_ADMIN},
    {"CAP_SYS_CHROOT", CAP_SYS_CHROOT},
};

/// System calls that no unit of ours may have, one of each group that is taken away.
constexpr const char* forbidden_calls[] = {"bpf",   "clock_settime", "init_module", "kexec_load",
                                           "mount", "ptrace",        "reboot",      "swapon"};

template <class T>
std::optional<T> value_of(const bus::Variants& properties, const std::string& name) {
    const auto found = properties.find(name);
    if (found == properties.end() || !found->second.containsValueOfType<T>())
        return std::nullopt;
    return found->second.get<T>();
}

std::vector<std::string> sorted_words(std::string_view text) {
    std::istringstream words{std::string(text)};
    std::vector<std::string> result{std::istream_iterator<std::string>(words), {}};
    std::sort(result.begin(), result.end());
    return result;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words)
        text += (text.empty() ? "" : " ") + word;
    return text.empty() ? "(nothing)" : text;
}

std::string capability_names(uint64_t mask) {
    std::vector<std::string> names;
    for (const auto& [name, bit] : capabilities) {
        if (mask & (uint64_t{1} << bit))
            names.emplace_back(name);
        mask &= ~(uint64_t{1} << bit);
    }
    if (mask != 0)
        names.emplace_back("and others");
    return joined(names);
}

/// Lists come as (inverted?, names): an allow list is (true, …).
using Filter = sdbus::Struct<bool, std::vector<std::string>>;

/// What is in force, in words, when it is not what is wanted; nothing when it is.
using Difference = std::optional<std::string>;

Difference unless(bool kept, std::string found) {
    return kept ? std::nullopt : Difference(std::move(found));
}

/// One directive: what the unit wants, and the property of the same name.
struct Directive {
    const std::string& name;
    const std::string& wanted;
    const bus::Variants& properties;

    template <class T>
    T found(T otherwise) const {
        return value_of<T>(properties, name).value_or(std::move(otherwise));
    }
};

Difference flag(const Directive& directive) {
    const bool found = directive.found(false);
    return unless(found == (directive.wanted == "yes"), found ? "yes" : "no");
}

Difference text(const Directive& directive) {
    const auto found = directive.found(std::string());
    return unless(found == directive.wanted, found);
}

Difference capability_set(const Directive& directive) {
    const auto found = directive.found(~uint64_t{0});
    return unless(found == capability_mask(directive.wanted), capability_names(found));
}

/// The property holds the types that are still allowed.
Difference namespaces(const Directive& directive) {
    const auto found = directive.found(~uint64_t{0});
    return unless((found == 0) == (directive.wanted == "yes"), found == 0 ? "yes" : "no");
}

Difference octal(const Directive& directive) {
    const auto found = directive.found(uint32_t{0});
    return unless(found == std::strtoul(directive.wanted.c_str(), nullptr, 8), std::to_string(found));
}

Difference architectures(const Directive& directive) {
    const auto found = joined(directive.found(std::vector<std::string>{}));
    return unless(found == directive.wanted, found);
}

Difference families(const Directive& directive) {
    const auto found = directive.found(Filter{});
    auto names = std::get<1>(found);
    std::sort(names.begin(), names.end());
    return unless(std::get<0>(found) && names == sorted_words(directive.wanted), joined(names));
}

Difference calls(const Directive& directive) {
    const auto found = directive.found(Filter{});
    const auto& allowed = std::get<1>(found);
    for (const auto* call : forbidden_calls)
        if (!std::get<0>(found) || std::find(allowed.begin(), allowed.end(), call) != allowed.end())
            return std::string("a list that allows ") + call;
    return unless(!allowed.empty(), "empty");
}

using Compare = Difference (*)(const Directive&);

constexpr std::pair<std::string_view, Compare> restrictions[] = {
    {"NoNewPrivileges", flag},
    {"PrivateMounts", flag},
    {"PrivateTmp", flag},
    {"PrivateUsers", flag},
    {"ProtectControlGroups", flag},
    {"ProtectKernelModules", flag},
    {"ProtectKernelTunables", flag},
    {"ProtectKernelLogs", flag},
    {"ProtectClock", flag},
    {"ProtectHostname", flag},
    {"RestrictSUIDSGID", flag},
    {"RestrictRealtime", flag},
    {"LockPersonality", flag},
    {"MemoryDenyWriteExecute", flag},
    {"ProtectSystem", text},
    {"ProtectHome", text},
    {"DevicePolicy", text},
    {"KillMode", text},
    {"KeyringMode", text},
    {"CapabilityBoundingSet", capability_set},
    {"AmbientCapabilities", capability_set},
    {"RestrictNamespaces", namespaces},
    {"UMask", octal},
    {"RestrictAddressFamilies", families},
    {"SystemCallArchitectures", architectures},
    {"SystemCallFilter", calls},
};

} // namespace

std::vector<std::pair<std::string, std::string>> service_settings(std::string_view unit) {
    std::vector<std::pair<std::string, std::string>> settings;
    std::istringstream lines{std::string(unit)};
    bool in_service = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('['))
            in_service = line == "[Service]";
        const auto equals = line.find('=');
        if (in_service && !line.starts_with('#') && equals != line.npos)
            settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
    }
    return settings;
}

uint64_t capability_mask(std::string_view names) {
    uint64_t mask = 0;
    for (const auto& word : sorted_words(names)) {
        const auto found = std::find_if(std::begin(capabilities), std::end(capabilities),
                                        [&](const auto& entry) { return entry.first == word; });
        if (found == std::end(capabilities))
            throw Error(ErrorCode::InvalidArgument, "no unit of banger's has " + word);
        mask |= uint64_t{1} << found->second;
    }
    return mask;
}

Comparison compare_promises(std::string_view unit, const bus::Variants& properties) {
    Comparison comparison;
    for (const auto& [name, wanted] : service_settings(unit)) {
        const auto known = std::find_if(
            std::begin(restrictions), std::end(restrictions),
            [key = std::string_view(name)](const auto& restriction) { return restriction.first == key; });
        if (known == std::end(restrictions))
            continue;
        if (const auto found = known->second({name, wanted, properties}))
            comparison.broken.push_back(name + "= is " + *found + ", not " +
                                        (wanted.empty() ? "(nothing)" : wanted));
        else
            comparison.kept.push_back(name);
    }
    return comparison;
}

} // namespace banger::doctor
