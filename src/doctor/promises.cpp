#include "doctor/promises.hpp"

#include "base/error.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <sstream>
#include <tuple>

namespace banger::doctor {

namespace {

constexpr std::pair<std::string_view, unsigned> capabilities[] = {
    {"CAP_CHOWN", CAP_CHOWN},         {"CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE}, {"CAP_FOWNER", CAP_FOWNER},
    {"CAP_KILL", CAP_KILL},           {"CAP_MKNOD", CAP_MKNOD},               {"CAP_NET_ADMIN", CAP_NET_ADMIN},
    {"CAP_NET_RAW", CAP_NET_RAW},     {"CAP_SETGID", CAP_SETGID},             {"CAP_SETUID", CAP_SETUID},
    {"CAP_SYS_ADMIN", CAP_SYS_ADMIN}, {"CAP_SYS_CHROOT", CAP_SYS_CHROOT},
};

/// System calls that no unit of ours may have, one of each group that is taken away.
constexpr const char* forbidden_calls[] = {"bpf",    "clock_settime", "init_module", "kexec_load",
                                           "mount",  "ptrace",        "reboot",      "swapon"};

enum class Kind { Flag, Text, Capabilities, Namespaces, Octal, Families, Architectures, Calls };

constexpr std::pair<std::string_view, Kind> kinds[] = {
    {"NoNewPrivileges", Kind::Flag},          {"PrivateTmp", Kind::Flag},
    {"PrivateUsers", Kind::Flag},             {"ProtectControlGroups", Kind::Flag},
    {"ProtectKernelModules", Kind::Flag},     {"ProtectKernelTunables", Kind::Flag},
    {"ProtectKernelLogs", Kind::Flag},        {"ProtectClock", Kind::Flag},
    {"ProtectHostname", Kind::Flag},          {"RestrictSUIDSGID", Kind::Flag},
    {"RestrictRealtime", Kind::Flag},         {"LockPersonality", Kind::Flag},
    {"MemoryDenyWriteExecute", Kind::Flag},   {"ProtectSystem", Kind::Text},
    {"ProtectHome", Kind::Text},              {"DevicePolicy", Kind::Text},
    {"KillMode", Kind::Text},                 {"KeyringMode", Kind::Text},
    {"CapabilityBoundingSet", Kind::Capabilities}, {"AmbientCapabilities", Kind::Capabilities},
    {"RestrictNamespaces", Kind::Namespaces}, {"UMask", Kind::Octal},
    {"RestrictAddressFamilies", Kind::Families}, {"SystemCallArchitectures", Kind::Architectures},
    {"SystemCallFilter", Kind::Calls},
};

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

/// What is in force, in words, when it is not what `wanted` says; nothing when it is.
std::optional<std::string> difference(Kind kind, const std::string& wanted, const bus::Variants& properties,
                                      const std::string& name) {
    const auto unless = [](bool kept, std::string found) {
        return kept ? std::nullopt : std::optional(std::move(found));
    };
    switch (kind) {
    case Kind::Flag: {
        const auto found = value_of<bool>(properties, name).value_or(false);
        return unless(found == (wanted == "yes"), found ? "yes" : "no");
    }
    case Kind::Text: {
        const auto found = value_of<std::string>(properties, name).value_or("");
        return unless(found == wanted, found);
    }
    case Kind::Capabilities: {
        const auto found = value_of<uint64_t>(properties, name).value_or(~uint64_t{0});
        return unless(found == capability_mask(wanted), capability_names(found));
    }
    case Kind::Namespaces: { // the types that are still allowed
        const auto found = value_of<uint64_t>(properties, name).value_or(~uint64_t{0});
        return unless((found == 0) == (wanted == "yes"), found == 0 ? "yes" : "no");
    }
    case Kind::Octal: {
        const auto found = value_of<uint32_t>(properties, name).value_or(0);
        return unless(found == std::strtoul(wanted.c_str(), nullptr, 8), std::to_string(found));
    }
    case Kind::Architectures: {
        const auto found = value_of<std::vector<std::string>>(properties, name).value_or(std::vector<std::string>{});
        return unless(joined(found) == wanted, joined(found));
    }
    case Kind::Families: {
        const auto found = value_of<Filter>(properties, name).value_or(Filter{});
        auto names = std::get<1>(found);
        std::sort(names.begin(), names.end());
        return unless(std::get<0>(found) && names == sorted_words(wanted), joined(names));
    }
    case Kind::Calls: {
        const auto found = value_of<Filter>(properties, name).value_or(Filter{});
        const auto& calls = std::get<1>(found);
        for (const auto* call : forbidden_calls)
            if (!std::get<0>(found) || std::find(calls.begin(), calls.end(), call) != calls.end())
                return std::string("a list that allows ") + call;
        return unless(!calls.empty(), "empty");
    }
    }
    return std::nullopt;
}

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
        const auto known = std::find_if(std::begin(kinds), std::end(kinds),
                                        [&, key = std::string_view(name)](const auto& kind) { return kind.first == key; });
        if (known == std::end(kinds))
            continue;
        if (const auto found = difference(known->second, wanted, properties, name))
            comparison.broken.push_back(name + "= is " + *found + ", not " + (wanted.empty() ? "(nothing)" : wanted));
        else
            comparison.kept.push_back(name);
    }
    return comparison;
}

} // namespace banger::doctor
