// Which role am I: the command line, the owner's daemon, the root helper. Each of the latter two is a module
// that is loaded when it is asked for, so that the command line does not pay for libraries that it does not
// use.
#include "base/companion.hpp"
#include "cli/cli.hpp"
#include "instance/commands.hpp"

#include <dlfcn.h>

#include <cstdio>
#include <string>
#include <string_view>

namespace {

using RoleMain = int (*)(int argc, char** argv);

/// Runs banger_role_main() of libbanger-ROLE.so; argv[0] becomes "banger ROLE".
int run_role(const std::string& role, int argc, char** argv) {
    // Not through a RUNPATH: AddressSanitizer's dlopen does not look there.
    const auto module = banger::module_path(role);
    void* library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
    void* entry = library ? ::dlsym(library, "banger_role_main") : nullptr;
    if (!entry) {
        std::fprintf(stderr, "banger: cannot load %s: %s\n  try: install banger again, all of it\n",
                     module.c_str(), ::dlerror());
        return 1;
    }
    auto name = "banger " + role;
    argv[1] = name.data();
    return reinterpret_cast<RoleMain>(entry)(argc - 1, argv + 1);
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (first == "daemon" || first == "helper")
        return run_role(std::string(first), argc, argv);
    if (first == "instance")
        return banger::cli::run_group(argc, argv, banger::instance::add_instance_commands);
    return banger::cli::run(argc, argv);
}
