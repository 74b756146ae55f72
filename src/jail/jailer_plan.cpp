#include "jail/jailer_plan.hpp"

#include "base/error.hpp"
#include "base/names.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace banger::jail {

namespace {

constexpr size_t words_before_binds = 4;
constexpr size_t longest_folder = 1024;
constexpr std::array<std::pair<std::string_view, BindMode>, 3> modes{
    {{"ro", BindMode::ReadOnly}, {"rw", BindMode::ReadWrite}, {"folder", BindMode::Folder}}};

[[noreturn]] void refuse(const std::string& what) {
    throw Error(ErrorCode::InvalidArgument, "plan of a jailer: " + what);
}

void check_folder(std::string_view folder) {
    if (!folder.starts_with('/') || folder.size() > longest_folder)
        refuse("its folder is no absolute path");
    for (auto rest = folder.substr(1);;) {
        const auto end = std::min(rest.find('/'), rest.size());
        const auto name = rest.substr(0, end);
        if (name.empty() || name == "." || name == "..")
            refuse("its folder is no plain path");
        if (end == rest.size())
            return;
        rest.remove_prefix(end + 1);
    }
}

/// An account's number, in digits and in no other way; root's is none.
unsigned account(const std::string& word) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || std::to_string(number) != word || number == 0 || number == ~0U)
        refuse("not an account's number");
    return number;
}

bool is_drive(std::string_view path) {
    constexpr std::string_view folder = "/drives/";
    if (!path.starts_with(folder))
        return false;
    const auto name = path.substr(folder.size());
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

void check_bind(const Bind& bind) {
    if ((bind.path == "/run") != (bind.mode == BindMode::Folder))
        refuse("/run is the one folder");
    const bool is_boot_file = bind.path == "/kernel" || bind.path == "/initrd";
    if (is_boot_file && bind.mode != BindMode::ReadOnly)
        refuse("what is booted is only read");
    if (!is_boot_file && bind.path != "/run" && !is_drive(bind.path))
        refuse("no such place in a jail");
}

Bind parse_bind(std::string_view word) {
    const auto colon = std::min(word.find(':'), word.size());
    const auto* mode = std::find_if(modes.begin(), modes.end(),
                                    [&](const auto& one) { return one.first == word.substr(0, colon); });
    if (mode == modes.end() || colon == word.size())
        refuse("not a mode and a path");
    return {mode->second, std::string(word.substr(colon + 1))};
}

void check(const JailerPlan& plan) {
    check_folder(plan.folder);
    VmId::parse(plan.vm);
    if (plan.binds.size() > descriptors_limit - descriptors_before_binds)
        refuse("too many files");
    for (const auto& bind : plan.binds) {
        check_bind(bind);
        if (std::count_if(plan.binds.begin(), plan.binds.end(),
                          [&](const Bind& other) { return other.path == bind.path; }) != 1)
            refuse("two files in one place");
    }
}

} // namespace

Plan to_plan(const JailerPlan& plan) {
    check(plan);
    Plan words{{plan.folder, plan.vm, std::to_string(plan.uid), std::to_string(plan.gid)}};
    account(words.words[2]);
    account(words.words[3]);
    for (const auto& bind : plan.binds) {
        const auto* mode = std::find_if(modes.begin(), modes.end(),
                                        [&](const auto& one) { return one.second == bind.mode; });
        words.words.push_back(std::string(mode->first) + ":" + bind.path);
    }
    return words;
}

JailerPlan parse_jailer_plan(const Plan& plan) {
    const auto& words = plan.words;
    if (words.size() < words_before_binds)
        refuse("cut off");
    JailerPlan parsed{words[0], words[1], account(words[2]), account(words[3]), {}};
    for (size_t i = words_before_binds; i < words.size(); ++i)
        parsed.binds.push_back(parse_bind(words[i]));
    check(parsed);
    return parsed;
}

} // namespace banger::jail
