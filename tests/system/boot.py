"""The machine's first boot, and the state that is saved after it."""
import contextlib
import hashlib
import pathlib
import sys

import cache
import root
import vm

LIMIT = 240  # seconds


def wait_for_boot(qemu):
    """Until nothing starts any more; all of the accounts' sessions are there, too."""
    state = qemu.start("systemctl is-system-running --wait", timeout=LIMIT).wait()
    if state.stdout.strip() != "running":
        failed = qemu.start("systemctl list-units --failed; systemctl list-jobs; journalctl -b -p warning --no-pager | tail -n 50").wait()
        raise AssertionError(f"the machine is {state.stdout.strip()}\n{failed}\n{qemu.complaint()}")
    for account in root.ACCOUNTS:
        qemu.start("systemctl --user is-system-running --wait && busctl --user list --acquired >/dev/null", user=account,
                   timeout=LIMIT).wait(check=True)


def make_booted(folder, root_folder):
    """Fills `folder` with disk.qcow2 and state, of a machine that is up and idle."""
    vm.overlay(folder / "disk.qcow2", below=root_folder / "root.img")
    qemu = vm.Qemu(root_folder, folder / "disk.qcow2", folder)
    try:
        wait_for_boot(qemu)
        for name in root.MODULES:
            qemu.start(["test", "-d", f"/sys/module/{name}"]).wait(check=True)
        # What would otherwise start in the middle of the first test.
        qemu.start("systemctl start polkit systemd-hostnamed; pkcheck --action-id org.freedesktop.login1.reboot --process $$; "
                   "busctl tree org.freedesktop.systemd1 >/dev/null; nft list ruleset; dmsetup ls; sync").wait()
        qemu.save(folder / "state")
    finally:
        qemu.kill()


@contextlib.contextmanager
def booted(build):
    """(root's folder, booted state's folder), made when they are not there; kept while the block runs."""
    root_key = root.key(build)
    with cache.entry("root", root_key, lambda folder: root.make(folder, build)) as root_folder:
        texts = [pathlib.Path(module.__file__).read_text(encoding="utf-8") for module in (vm, sys.modules[__name__])]
        key = hashlib.sha256("\n".join([root_key, vm.qemu_version(), *texts]).encode()).hexdigest()[:16]
        with cache.entry("booted", key, lambda folder: make_booted(folder, root_folder)) as folder:
            yield root_folder, folder
