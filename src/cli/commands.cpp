#include "cli/command.hpp"

namespace banger::cli {

const std::vector<Command>& commands() {
    static const std::vector<Command> table{
        {"vm", "run", "Run a command, or a shell, in a new VM", vm_run, true},
        {"vm", "create", "Make a VM", vm_create},
        {"vm", "start", "Start VMs", vm_start},
        {"vm", "stop", "Shut VMs down", vm_stop},
        {"vm", "restart", "Shut VMs down and start them again", vm_restart},
        {"vm", "pause", "Hold the CPUs of VMs", vm_pause},
        {"vm", "resume", "Let paused VMs go on", vm_resume},
        {"vm", "kill", "Stop VMs without asking the guest", vm_kill},
        {"vm", "delete", "Remove VMs and their disks", vm_delete},
        {"vm", "prune", "Delete all VMs that are stopped or have failed", vm_prune},
        {"vm", "list", "List VMs", vm_list},
        {"vm", "show", "Show all about a VM", vm_show},
        {"vm", "stats", "Show what VMs use", vm_stats},
        {"vm", "logs", "Show what a guest has written on its console", vm_logs},
        {"vm", "set", "Change what VMs are made of", vm_set},
        {"vm", "rename", "Give a VM another name", vm_rename},
        {"vm", "protect", "Keep VMs from being deleted", vm_protect},
        {"vm", "wait", "Wait until a VM is in a state", vm_wait},
        {"vm", "exec", "Run a command in a running VM", vm_exec, true},
        {"vm", "cp", "Copy files to or from a running VM", vm_cp},
        {"vm", "ports", "List what listens in a running VM", vm_ports},
        {"kernel", "import", "Make a kernel usable for guests", kernel_import},
        {"kernel", "list", "List kernels", kernel_list},
        {"kernel", "delete", "Remove kernels", kernel_delete},
        {"image", "build", "Make an image from distribution packages", image_build},
        {"image", "list", "List images", image_list},
        {"image", "delete", "Remove images", image_delete},
        {"system", "install", "Install the root helper for the named owners (root)", system_install},
        {"system", "status", "Show what is installed, and for whom", system_status},
        {"system", "restart", "Restart the root helper (root)", system_restart},
        {"system", "uninstall", "Remove what install made (root)", system_uninstall},
        {"", "ps", "List running VMs", vm_list},
        {"", "doctor", "Is this host fit, and the installation as promised", doctor},
        {"", "completion", "Print what a shell needs to complete words", completion},
        {"", "version", "Show the versions of banger's parts", version},
    };
    return table;
}

} // namespace banger::cli
