"""The machine's first boot, the build laid down in it, and the states that are saved after either."""
import contextlib
import hashlib
import pathlib
import sys

import cache
import root
import staging
import vm

LIMIT = 600  # seconds: half a minute, when the host has nothing else to do
NOTES = []  # what was tried once more, for conftest.py to tell of


def note(text):
    """Says loudly what went well in the end, and not as it should."""
    NOTES.append(text)
    print(f"\nNOTE: {text}", file=sys.__stderr__, flush=True)


def once_more(what, begin):
    """begin(), and again when the machine hangs in it: an emulated processor does that now and then when the host is busy."""
    try:
        return begin()
    except vm.OutOfTime as problem:
        note(f"the test machine hung {what}, and was started once more: {str(problem).splitlines()[0]}")
        return begin()


def start(root_folder, disk, folder):
    """A machine that boots, up and idle."""
    def begin():
        qemu = vm.Qemu(root_folder, disk, folder)
        try:
            wait_for_boot(qemu)
        except BaseException:
            qemu.kill()
            raise
        return qemu
    return once_more("while it booted", begin)


def resume(root_folder, below, folder):
    """A machine that goes on from the state in the folder `below`, on a disk of its own: `folder`/disk.qcow2."""
    def begin():
        disk = folder / "disk.qcow2"
        disk.unlink(missing_ok=True)
        vm.overlay(disk, below=below / "disk.qcow2")
        qemu = vm.Qemu(root_folder, disk, folder, state=below / "state")
        try:
            qemu.set_clock()
        except BaseException:
            qemu.kill()
            raise
        return qemu
    return once_more("while it was resumed", begin)


def wait_for_boot(qemu):
    """Until nothing starts any more; all of the accounts' sessions are there, too."""
    state = qemu.start("systemctl is-system-running --wait", timeout=LIMIT).wait()
    if state.stdout.strip() != "running":
        failed = qemu.start("systemctl list-units --failed; systemctl list-jobs; journalctl -b -p warning --no-pager | tail -n 50").wait()
        raise AssertionError(f"the machine is {state.stdout.strip()}\n{failed}\n{qemu.complaint()}")
    waiting = [qemu.start("systemctl --user is-system-running --wait && busctl --user list --acquired >/dev/null", user=account,
                          timeout=LIMIT) for account in root.ACCOUNTS]
    for running in waiting:
        running.wait(check=True)


def make_booted(folder, root_folder):
    """Fills `folder` with disk.qcow2 and state, of a machine that is up and idle."""
    vm.overlay(folder / "disk.qcow2", below=root_folder / "root.img")
    qemu = start(root_folder, folder / "disk.qcow2", folder)
    try:
        for name in root.MODULES:
            qemu.start(["test", "-d", f"/sys/module/{name}"]).wait(check=True)
        # What would otherwise start in the middle of the first test.
        qemu.start("systemctl start polkit systemd-hostnamed; pkcheck --action-id org.freedesktop.login1.reboot --process $$; "
                   "busctl tree org.freedesktop.systemd1 >/dev/null; nft list ruleset; dmsetup ls; sync").wait()
        qemu.save(folder / "state")
    finally:
        qemu.kill()


def make_staged(folder, root_folder, booted_folder, archive):
    """The same, of a machine with the build laid down as a package would, and known to managers and buses."""
    qemu = resume(root_folder, booted_folder, folder)
    try:
        qemu.start(["tar", "-x", "-C", "/", "--numeric-owner", "-f", "-"], input=archive, timeout=300).wait(check=True)
        script = ("systemctl $0 daemon-reload && "
                  "busctl $0 call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig")
        waiting = [qemu.start(["/bin/sh", "-c", script, "--system" if account == "root" else "--user"], user=account, timeout=LIMIT)
                   for account in ("root", *root.ACCOUNTS)]  # side by side: each takes seconds
        for running in waiting:
            running.wait(check=True)
        qemu.start("pkaction >/dev/null; banger --help >/dev/null; sync").wait(check=True)
        qemu.save(folder / "state")
    finally:
        qemu.kill()


def key_of(*parts):
    texts = [pathlib.Path(module.__file__).read_text(encoding="utf-8") for module in (vm, sys.modules[__name__])]
    return hashlib.sha256("\n".join([*parts, *texts]).encode()).hexdigest()[:16]


@contextlib.contextmanager
def booted(build, staged):
    """(root's folder, folder of a state: of Debian alone, or with the build), made when they are not there; kept while the block
    runs."""
    with contextlib.ExitStack() as held:
        root_folder = held.enter_context(cache.entry("root", root.key(build), lambda folder: root.make(folder, build)))
        key = key_of(cache.identity(root_folder), vm.qemu_version())
        folder = held.enter_context(cache.entry("booted", key, lambda new: make_booted(new, root_folder)))
        if staged:
            archive = staging.build_archive(build)
            key = key_of(cache.identity(folder), hashlib.sha256(archive).hexdigest())
            below = folder
            folder = held.enter_context(cache.entry("staged", key, lambda new: make_staged(new, root_folder, below, archive)))
        yield root_folder, folder
