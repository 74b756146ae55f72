#include "daemon/vm/vm.hpp"

namespace banger::daemon {

VmPaths vm_paths(const std::string& data_dir, const VmId& id) {
    return {data_dir + "/vms/" + id.str()};
}

} // namespace banger::daemon
