#include "daemon/kernel/modules.hpp"

#include "base/error.hpp"
#include "daemon/image/archive_reader.hpp"
#include "daemon/kernel/modinfo.hpp"

#include <algorithm>

namespace banger {

namespace {

constexpr uint64_t max_module = 64 << 20;
constexpr size_t max_wanted = 200;

/// What the wanted ones commonly need. Only saves a second reading of the package: the modules themselves
/// decide.
constexpr std::string_view common_dependencies[] = {
    "failover",  "net_failover", "vsock", "vmw_vsock_virtio_transport_common",
    "jbd2",      "mbcache",      "crc16", "crc32c_generic",
    "libcrc32c", "rng_core",
};

std::string unpacked(std::string_view path, std::string content) {
    if (path.ends_with(".ko"))
        return content;
    ArchiveReader reader(read_from(content), ArchiveKind::Raw, "a kernel module");
    if (!reader.next())
        throw Error(ErrorCode::InvalidArgument, "a kernel module in the package is empty");
    return reader.read_all(max_module);
}

/// A soft dependency may be an alias that several modules answer to: "crypto_crc32c" means whoever computes
/// it, of whom the portable one is called crc32c_generic.
std::vector<std::string> soft_candidates(std::string_view name) {
    constexpr std::string_view crypto = "crypto_";
    if (name.starts_with(crypto))
        name.remove_prefix(crypto.size());
    return {std::string(name), std::string(name) + "_generic"};
}

} // namespace

const std::vector<std::pair<std::string, std::vector<std::string>>>& module_groups() {
    static const std::vector<std::pair<std::string, std::vector<std::string>>> groups{
        {"core", {"virtio", "virtio_ring", "virtio_mmio"}},
        {"blk", {"virtio_blk"}},
        {"fs", {"ext4"}},
        {"overlay", {"overlay"}},
        {"net", {"virtio_net"}},
        {"serial", {"virtio_console"}},
        {"vsock", {"vsock", "vmw_vsock_virtio_transport"}},
        {"rng", {"virtio_rng"}},
        {"balloon", {"virtio_balloon"}},
    };
    return groups;
}

ModuleBag::ModuleBag()
    : wanted_(std::begin(common_dependencies), std::end(common_dependencies)) {
    for (const auto& [group, names] : module_groups())
        wanted_.insert(names.begin(), names.end());
}

bool ModuleBag::meet(std::string_view path) {
    const auto name = module_name(path);
    met_.insert(name);
    return wanted_.contains(name) && !modules_.contains(name);
}

void ModuleBag::offer(std::string_view path, std::string content) {
    if (!meet(path))
        return;
    if (content.size() > max_module)
        throw Error(ErrorCode::InvalidArgument, "a kernel module in the package is too large");
    Module module;
    module.content = unpacked(path, std::move(content));
    const auto info = read_modinfo(module.content);
    module.depends = info.depends;
    for (const auto& soft : info.softdeps)
        for (auto& name : soft_candidates(soft))
            module.softdeps.push_back(std::move(name));
    modules_.emplace(module_name(path), std::move(module));
}

void ModuleBag::offer_builtin(std::string_view text) {
    knows_builtins_ = true;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (auto name = module_name(line); !name.empty())
            builtin_.insert(std::move(name));
    }
}

bool ModuleBag::want_dependencies() {
    bool more = false;
    const auto want = [&](const std::vector<std::string>& names) {
        for (const auto& name : names)
            if (met_.contains(name) && !modules_.contains(name) && wanted_.size() < max_wanted)
                more = wanted_.insert(name).second || more;
    };
    for (const auto& [name, module] : modules_) {
        want(module.depends);
        want(module.softdeps);
    }
    return more;
}

/// Depth first: what a module needs comes before it, under the first group that needs it.
ModuleBag::Visit ModuleBag::visit(const std::string& name, const std::string& group,
                                  std::map<std::string, Visit>& seen, Selection& selection) const {
    if (const auto known = seen.find(name); known != seen.end())
        return known
            ->second; // Open: a circle; the kernel has none, and a damaged package gets an order all the same
    if (builtin_.contains(name))
        return seen[name] = Visit::Loaded;
    const auto found = modules_.find(name);
    if (found == modules_.end())
        return seen[name] = Visit::Missing;
    seen[name] = Visit::Open;
    bool complete = true;
    for (const auto& needed : found->second.depends)
        complete = visit(needed, group, seen, selection) != Visit::Missing && complete;
    for (const auto& needed : found->second.softdeps)
        visit(needed, group, seen, selection);
    if (!complete)
        return seen[name] = Visit::Missing;
    const auto file = name + ".ko";
    selection.modules.push_back({name, group, "module", file});
    selection.contents[file] = found->second.content;
    return seen[name] = Visit::Loaded;
}

ModuleBag::Selection ModuleBag::select() const {
    Selection selection;
    std::map<std::string, Visit> seen;
    for (const auto& [group, names] : module_groups())
        for (const auto& name : names) {
            const bool loaded = visit(name, group, seen, selection) == Visit::Loaded;
            if (loaded && selection.contents.contains(name + ".ko"))
                continue;
            const char* state = builtin_.contains(name) ? "builtin" : knows_builtins_ ? "absent" : "unknown";
            selection.modules.push_back({name, group, state, {}});
        }
    return selection;
}

} // namespace banger
