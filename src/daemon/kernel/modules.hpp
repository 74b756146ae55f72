// The modules that a guest needs, where a kernel has them as modules: which, in which groups, in which order.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace banger {

/// One of the modules that banger looks for in a kernel, or one that such a module needs.
struct GuestModule {
    std::string name;  ///< "virtio_blk"
    std::string group; ///< "blk"; see module_groups()
    std::string state; ///< "module", "builtin", "absent", or "unknown" (the kernel came without a list of
                       ///< what is built in)
    std::string file;  ///< in the initramfs, below /modules; empty unless a module
};

/// What is looked for, in load order: {"core", {"virtio", …}}, ….
const std::vector<std::pair<std::string, std::vector<std::string>>>& module_groups();

/// What was found beside a kernel.
class ModuleBag {
public:
    /// A module's file, maybe compressed. Kept when it is wanted; throws InvalidArgument when it then is
    /// damaged, or is larger than 64 MiB. The first of a name counts.
    void offer(std::string_view path, std::string content);
    /// The text of modules.builtin: one path per line.
    void offer_builtin(std::string_view text);

    /// Tells of a module's file, by its name. True when it is worth reading: wanted, and not at hand yet.
    bool meet(std::string_view path);
    /// What the modules at hand need and what is neither at hand nor built in becomes wanted too. True when
    /// there is such: the caller then goes over its source again.
    bool want_dependencies();

    bool knows_builtins() const noexcept { return knows_builtins_; }

    struct Module {
        std::string content; ///< uncompressed
        std::vector<std::string> depends;
        std::vector<std::string> softdeps; ///< loaded before, where they are there
    };
    /// For the initramfs: modules in load order, and what each group's names came to.
    struct Selection {
        std::vector<GuestModule> modules; ///< in load order; those of state "module" have a file
        std::map<std::string, std::string_view> contents; ///< by file; as long as the bag lives
    };
    Selection select() const;

    ModuleBag();

private:
    enum class Visit { Open, Loaded, Missing };
    Visit visit(const std::string& name, const std::string& group, std::map<std::string, Visit>& seen,
                Selection& selection) const;

    std::set<std::string, std::less<>> wanted_;
    std::set<std::string, std::less<>> met_;
    std::set<std::string, std::less<>> builtin_;
    std::map<std::string, Module, std::less<>> modules_;
    bool knows_builtins_ = false;
};

} // namespace banger
