"""VMMs and their jails: the real ones, with banger-qemu that boots nothing."""
import os
import uuid

import pytest
from banger_test import HELPER, HELPER_PATH, BusError, Instance, until
from helper_parts import BRIDGE, NETWORK, NULL, VM, VM2, World, error_of, overlay_of_the_owner

SIGNALS = ["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "ABRT"]


@pytest.fixture(scope="module")
def place():
    with Instance(environment={"BANGER_IDLE_SECONDS": "600"}) as instance:
        world = World(instance)
        world.owner("cd; for f in kernel initrd image work console; do echo content of $f > $f; done; ln -s kernel link; "
                    "mkdir folder; mkfifo pipe")
        world.owner("cd; echo theirs > /tmp/theirs; chmod 666 /tmp/theirs", user="other")
        yield world


def home(name):
    return f"/home/banger-owner/{name}"


FILES = [(home("kernel"), "r"), (home("initrd"), "r"), (home("image"), "r"), (home("work"), "rw"), (home("console"), "w")]
FULL = {**NULL, "kernel": ["h", 0], "initrd": ["h", 1], "drives": ["a(sbh)", [["image", True, 2], ["work", False, 3]]],
        "console": ["h", 4], "vcpus": ["u", 2], "memory-mib": ["u", 256]}


def test_launch_signal_and_cleanup(world):
    unit, pid, api, vsock = world.call("Launch", VM, options=FULL, files=FILES)
    run = f"/var/lib/banger/jails/64001-{VM}/run"
    assert (unit, api, vsock) == ("", f"{run}/api.sock", f"{run}/vsock.sock")
    assert world.facts() == {"state": "running", "pid": pid, "vmm": "null", "api-socket": api, "vsock-socket": vsock}
    assert world.call("List") == [[VM]]
    until(lambda: world.owner(f"test -S {api} && echo there || true"), "the API's socket")
    assert world.root(f"stat -c '%a %U' {run} {api}").split() == ["700", "banger-owner", "600", "banger-owner"]
    assert world.instance.exec("ls", run, user="other", check=False).returncode != 0
    status = world.root(f"cat /proc/{pid}/status")
    assert "Uid:\t64001\t64001\t64001\t64001" in status and "Gid:\t64001\t64001\t64001\t64001" in status
    assert "Groups:\t \n" in status or "Groups:\t\n" in status
    assert "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
    assert world.refused("Launch", VM, options=NULL).name == error_of("FailedPrecondition")
    world.call("Signal", VM, "SIGTERM")
    until(lambda: world.facts()["state"] == "exited", "it has exited")
    assert world.refused("Signal", VM, "TERM").name == error_of("NotFound")
    for _ in range(2):
        world.call("Cleanup", VM)
    assert world.facts() == {"state": "absent"}


def test_what_the_jail_holds(world):
    _, pid, *_ = world.call("Launch", VM, options=FULL, files=FILES)
    root = f"/proc/{pid}/root"
    assert world.root(f"ls {root}").split() == ["banger-qemu", "bin", "dev", "drives", "initrd", "kernel", "lib", "lib64", "run",
                                                "sbin", "tmp", "usr"]
    for name in ("kernel", "initrd", "drives/image", "drives/work"):
        assert world.root(f"cat {root}/{name}") == f"content of {os.path.basename(name)}\n"
    mounts = {line.split()[1]: line.split()[3].split(",") for line in world.root(f"cat /proc/{pid}/mounts").splitlines()}
    for point in ("/", "/usr", "/kernel", "/initrd", "/drives/image", "/banger-qemu"):
        assert "ro" in mounts[point], point
    for point in ("/drives/work", "/run", "/tmp"):
        assert "rw" in mounts[point], point
    assert "/proc" not in mounts and "/sys" not in mounts
    for kind in ("net", "mnt", "user", "ipc", "uts"):
        assert world.root(f"readlink /proc/{pid}/ns/{kind}") != world.root(f"readlink /proc/1/ns/{kind}"), kind
    assert world.root(f"readlink /proc/{pid}/ns/pid") == world.root("readlink /proc/1/ns/pid")
    assert world.root(f"cat /proc/{pid}/oom_score_adj").strip() == "500"
    limits = world.root(f"cat /proc/{pid}/limits")
    assert "Max core file size        0                    0" in limits
    environment = world.root(f"tr '\\0' '\\n' < /proc/{pid}/environ")
    assert "HOME" not in environment and "DBUS" not in environment
    held = world.root(f"ls -l /proc/{pid}/fd")
    assert "ledger" not in held and "/proc/self" not in held
    world.call("Cleanup", VM)


def refused_files(world, options, files):
    return world.refused("Launch", VM, options={**FULL, **options}, files=files).name


@pytest.mark.parametrize("path, mode", [(home("pipe"), "rw"), ("/tmp/theirs", "rw"), ("/dev/null", "rw"), (home("folder"), "r"),
                                        ("/usr/bin/true", "r"), ("/proc/self/status", "r")])
def test_descriptors_that_are_not_the_callers_files(world, path, mode):
    for index in range(5):
        if mode == "r" and index >= 3:
            continue
        files = [*FILES[:index], (path, mode), *FILES[index + 1:]]
        assert refused_files(world, {}, files) == error_of("FailedPrecondition"), index


def test_descriptors_that_were_opened_otherwise(world):
    def with_mode(index, mode):
        return [*FILES[:index], (FILES[index][0], mode), *FILES[index + 1:]]

    for index, mode in [(0, "w"), (1, "w"), (2, "w"), (3, "r"), (3, "w"), (4, "r")]:
        assert refused_files(world, {}, with_mode(index, mode)) == error_of("FailedPrecondition"), (index, mode)


def test_files_of_a_filesystem_that_is_the_owners_own(world):
    """Its process would answer the helper and the VMM's jail as late as it likes."""
    with overlay_of_the_owner(world.instance) as path:
        for index, (_, mode) in enumerate(FILES):
            files = [*FILES[:index], (path, mode), *FILES[index + 1:]]
            error = world.refused("Launch", VM, options=FULL, files=files)
            assert error.name == error_of("FailedPrecondition") and "may serve" in error.message, index


def test_an_o_path_descriptor(world):
    script = f"""
import os
from gi.repository import Gio, GLib
files = Gio.UnixFDList.new()
fd = os.open("{home('kernel')}", os.O_PATH)
files.append(fd)
options = {{"vmm": GLib.Variant("s", "null"), "kernel": GLib.Variant("h", 0)}}
try:
    Gio.bus_get_sync(Gio.BusType.SYSTEM).call_with_unix_fd_list_sync("org.banger.Helper1", "/org/banger/Helper1",
        "org.banger.Helper1.Machine", "Launch", GLib.Variant("(sa{{sv}})", ("{VM}", options)), None, 0, -1, files)
except GLib.Error as error:
    print(Gio.DBusError.get_remote_error(error))
"""
    assert world.instance.exec("/usr/bin/python3", "-I", "-c", script).stdout.strip() == error_of("FailedPrecondition")


@pytest.mark.parametrize("options", [
    {"vmm": ["s", "qemu"]}, {"vmm": ["s", "firecracker"]}, {"vmm": ["s", "other"]}, {"vmm": ["s", "Firecracker"]}, {"vmm": ["u", 1]}, {"vcpus": ["u", 0]}, {"vcpus": ["u", 33]},
    {"memory-mib": ["u", 15]}, {"memory-mib": ["u", 4294967295]}, {"kernel": ["s", "/boot/vmlinuz"]}, {"null-mode": ["s", "x"]},
    {"drives": ["a(sbh)", []], "extra": ["b", True]}, {"uid": ["u", 0]}])
def test_launch_options_that_are_refused(world, options):
    assert world.refused("Launch", VM, options={**NULL, **options}).name == error_of("InvalidArgument")


def test_firecracker_takes_systemd(world):
    """Which a private instance has not, whatever is installed."""
    options = {"vmm": ["s", "firecracker"], "kernel": ["h", 0], "initrd": ["h", 1]}
    refused = world.refused("Launch", VM, options=options, files=FILES[:2])
    assert refused.name == error_of("Unavailable") and "systemd" in refused.message
    assert world.facts() == {"state": "absent"}

    def read(name):
        return world.instance.call(HELPER, HELPER_PATH, "org.freedesktop.DBus.Properties", "Get", "(ss)",
                                   ["org.banger.Helper1.Machine", name], bus="system")[0]

    assert list(read("Vmms")) == ["qemu"]
    assert "systemd" in read("VmmTroubles")["firecracker"]


def test_drive_names(world):
    for names in (["a", "a"], ["../kernel"], ["A"], [""], ["a/b"], [f"d{n}" for n in range(9)]):
        drives = ["a(sbh)", [[name, True, 0] for name in names]]
        assert world.refused("Launch", VM, options={**NULL, "drives": drives}, files=FILES[:1]).name == error_of("InvalidArgument")


def test_a_launch_with_a_tap(world):
    assert world.refused("Launch", VM, options={**NULL, "tap": ["b", True]}).name == error_of("FailedPrecondition")
    world.call("EnsureBridge", BRIDGE, NETWORK)
    tap = world.call("CreateTap", VM, BRIDGE)[0]
    _, pid, *_ = world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    assert world.facts()["tap"] == tap and world.facts()["bridge"] == BRIDGE
    assert f"iff:\t{tap}" in world.root(f"cat /proc/{pid}/fdinfo/*")
    world.call("Kill", VM)
    assert world.facts()["state"] == "exited" and tap in world.instance.links()
    _, pid, *_ = world.call("Launch", VM, options={**NULL, "tap": ["b", True]})  # once more, with the same tap
    world.call("Cleanup", VM)
    assert tap not in world.instance.links()
    world.call("DeleteBridge", BRIDGE)


def test_a_start_that_fails_leaves_the_tap_and_nothing_else(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    tap = world.call("CreateTap", VM, BRIDGE)[0]
    world.root("mount --bind /usr/bin/false /usr/bin/bwrap")
    try:
        error = world.refused("Launch", VM, options={**NULL, "tap": ["b", True]})
        assert error.name == error_of("Internal") and "ended at once" in error.message
    finally:
        world.root("umount /usr/bin/bwrap")
    assert world.vmm_processes() == [] and world.root("ls /var/lib/banger/jails") == ""
    assert world.facts() == {"state": "absent", "tap": tap, "bridge": BRIDGE}
    world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    world.call("Cleanup", VM)
    world.call("DeleteBridge", BRIDGE)


@pytest.mark.parametrize("signal", SIGNALS)
def test_signals(world, signal):
    world.call("Launch", VM, options=NULL)
    world.call("Signal", VM, signal)
    if signal in ("TERM", "KILL", "QUIT", "ABRT"):
        until(lambda: world.facts()["state"] == "exited", "it has exited")
    world.call("Cleanup", VM)


def test_kill_answers_when_it_is_gone(world):
    assert world.call("Kill", VM) == []
    _, pid, *_ = world.call("Launch", VM, options={**NULL, "null-mode": ["s", "never-ready"]})
    world.call("Kill", VM)
    assert world.root(f"test -e /proc/{pid} && cat /proc/{pid}/stat || echo gone").split()[-1] == "gone"
    assert world.facts()["state"] == "exited" and world.vmm_processes() == []
    assert world.call("Kill", VM) == []
    world.call("Cleanup", VM)


def test_a_vmm_whose_guardian_was_killed(world):
    _, pid, *_ = world.call("Launch", VM, options=NULL)
    guardian = world.root(f"ps -o ppid= -p {pid}").strip()
    world.root(f"kill -9 {guardian}")
    world.call("Cleanup", VM)
    assert world.vmm_processes() == []


def test_what_else_is_in_the_jail_goes_too(world):
    _, pid, *_ = world.call("Launch", VM, options=NULL)
    mark = uuid.uuid4().int % 10**8 + 10**8
    # As what a VMM that was taken over could leave: in the jail's namespaces, of the owner, with another parent and session.
    world.root(f"setsid nsenter -t {pid} -m -U --preserve-credentials -S 64001 -G 64001 sleep {mark} > /dev/null 2>&1 < /dev/null &")
    until(lambda: world.root(f"pgrep -f '[s]leep {mark}' || true"), "the left-over runs")
    world.call("Signal", VM, "KILL")
    until(lambda: world.facts()["state"] == "exited", "the VMM has exited")
    assert world.root(f"pgrep -f '[s]leep {mark}' || true")
    world.call("Cleanup", VM)
    assert not world.root(f"pgrep -f '[s]leep {mark}' || true")


def test_zombies_are_reaped(world):
    for _ in range(3):
        world.call("Launch", VM, options=NULL)
        world.call("Signal", VM, "KILL")
        until(lambda: world.facts()["state"] == "exited", "it has exited")
    until(lambda: " Z" not in world.root(f"ps --ppid {world.helper_pid()} -o stat= || true"), "no zombies", limit=10)
    world.call("Cleanup", VM)


def test_two_vms_at_once(world):
    world.call("Launch", VM, options=NULL)
    world.call("Launch", VM2, options=NULL)
    world.call("Kill", VM)
    assert world.facts(VM2)["state"] == "running"
    assert sorted(world.call("List")[0]) == [VM, VM2]
    answers, _ = world.burst(8, "Cleanup", [VM])
    assert answers == [""] * 8
    assert world.call("List") == [[VM2]]
    world.call("Cleanup", VM2)


# --- the jail's removal


def test_whatever_the_owner_puts_into_the_jail(world):
    world.call("Launch", VM, options=NULL)
    run = f"/var/lib/banger/jails/64001-{VM}/run"
    world.root("mkdir -p /tmp/precious && echo kept > /tmp/precious/file")
    world.owner(f"""cd {run}; ln -s /tmp/precious link; ln -s /tmp/precious/file filelink; ln -s loop loop; mkfifo pipe;
        mkdir -p a/b/c; ln -s ../../.. a/b/c/up; touch "$(printf 'new\\nline')" -- -rf; mkdir shut; touch shut/file; chmod 0 shut;
        python3 -c "
import os
for n in range(300):
    os.mkdir('deep' + 'x' * 200); os.chdir('deep' + 'x' * 200)
open('bottom', 'w').close()
"
        i=0; while [ $i -lt 500 ]; do : > many-$i; i=$((i+1)); done""")
    world.call("Cleanup", VM)
    assert world.root("cat /tmp/precious/file") == "kept\n"
    world.root("rm -r /tmp/precious")


def test_an_owner_who_fills_the_jail_while_it_is_removed(world):
    world.call("Launch", VM, options=NULL)
    run = f"/var/lib/banger/jails/64001-{VM}/run"
    script = f"""
import os, time
os.chdir("{run}")
print("go", flush=True)
end = time.monotonic() + 3
n = 0
while time.monotonic() < end:
    n += 1
    try:
        os.makedirs("d%d/e" % n)
        os.symlink("/etc", "d%d/link" % n)
        os.rename("d%d" % n, "moved%d" % n)
    except OSError:
        if not os.access(".", os.W_OK):
            break
"""
    process = world.instance.popen("/usr/bin/python3", "-I", "-c", script, stdout=-1)
    assert process.stdout.readline() == b"go\n"
    until(lambda: cleaned(world), "the jail is removed", limit=60)
    process.wait(timeout=30)


def cleaned(world):
    try:
        world.call("Cleanup", VM)
        return True
    except BusError as error:
        assert error.name == error_of("Busy")
        return False


def test_a_mount_in_the_jail_is_not_entered(world):
    world.call("Launch", VM, options=NULL)
    run = f"/var/lib/banger/jails/64001-{VM}/run"
    world.root(f"mkdir /tmp/mounted && echo kept > /tmp/mounted/file && mkdir {run}/point && mount --bind /tmp/mounted {run}/point")
    error = world.refused("Cleanup", VM)
    assert error.name == error_of("FailedPrecondition") and "mount" in error.message
    assert world.root("cat /tmp/mounted/file") == "kept\n"
    world.root(f"umount {run}/point")
    world.call("Cleanup", VM)
    world.root("rm -r /tmp/mounted")


def test_a_jail_that_is_a_symlink_is_not_followed(world):
    world.root(f"mkdir /tmp/precious && touch /tmp/precious/file && ln -s /tmp/precious /var/lib/banger/jails/64001-{VM}")
    try:
        assert world.refused("Launch", VM, options=NULL).name == error_of("FailedPrecondition")
        assert world.refused("Cleanup", VM).name == error_of("FailedPrecondition")
        assert world.root("ls /tmp/precious") == "file\n"
    finally:
        world.root(f"rm -f /var/lib/banger/jails/64001-{VM}; rm -r /tmp/precious")
    world.call("Cleanup", VM)
