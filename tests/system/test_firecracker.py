"""VMs under Firecracker and its own jailer.

Real ones come from $BANGER_TEST_FIRECRACKER_DIR (machine.py). Without it, only what needs none is tested: which programs are
refused, and why; conftest.py says so at the end.
"""
import contextlib
import json
import re

import pytest
from banger_test import BusError
from machine import GUEST_LIMIT, OWNERS, system
from staging import FIRECRACKER
from test_units_of_vms import BRIDGE, JAIL_PROGRAM, NETWORK, SLICE, VM, cleanup, facts, helper_pid, kill_helper, show, unit_of

PLACES = ("/usr/local/bin", "/usr/bin", "/usr/libexec/banger")
PLACE = PLACES[0]
JAILS = "/var/lib/banger/jails"
RUN = f"{JAILS}/1001-{VM}/run"
FILES = [("/home/alice/kernel", "r"), ("/home/alice/initrd", "r"), ("/home/alice/console", "w"), ("/home/alice/work", "rw")]
OPTIONS = {"vmm": ["s", "firecracker"], "kernel": ["h", 0], "initrd": ["h", 1], "console": ["h", 2], "tap": ["b", True],
           "drives": ["a(sbh)", [["work", False, 3]]]}


def real(test):
    """Of Firecracker itself: not even collected where there is none."""
    return test if FIRECRACKER else None


def offered(machine):
    """(name → version, name → why not) of the helper."""
    read = [machine.run(f"busctl --json=short get-property org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1.Machine {name}",
                        user="alice").stdout for name in ("Vmms", "VmmTroubles")]
    return tuple(json.loads(text)["data"] for text in read)


def launch(machine):
    """(unit, pid) of a Firecracker that is told nothing."""
    unit, pid, *_ = machine.call("Machine", "Launch", "(sa{sv})", [VM, OPTIONS], files=FILES)
    return unit, pid


def begin_launch(machine):
    """The same, not waited for."""
    return machine.begin_call("Machine", "Launch", "(sa{sv})", [VM, OPTIONS], files=FILES)


def refusal(machine):
    with pytest.raises(BusError) as refused:
        launch(machine)
    assert facts(machine)["state"] == "absent"
    assert machine.run(f"ls -A {JAILS}").stdout == ""
    return refused.value


@pytest.fixture(scope="module")
def host():
    """A machine with Firecracker, if there is one, and with files of alice's."""
    with system() as made:
        made.run("head -c 64K /dev/zero | tee kernel initrd >work; : >console", user="alice")
        made.call("Network", "EnsureBridge", "(ssa{sv})", [BRIDGE, NETWORK, {}])
        yield made


@pytest.fixture
def clean(host):
    """That machine, with a tap; nothing else may be left after the test."""
    with host.unchanged():
        host.call("Network", "CreateTap", "(ssa{sv})", [VM, BRIDGE, {}])
        yield host
        cleanup(host)
    assert host.run("pgrep -a 'firecracker|jailer|banger-jail'", check=False).stdout == ""
    assert not host.failed_units()


@contextlib.contextmanager
def stand_ins(machine, firecracker="Firecracker v1.16.1", jailer="Jailer v1.16.1"):
    """Programs that only tell a version, in the place of the real ones."""
    machine.run(f"mkdir -p /root/aside && for n in firecracker jailer; do [ ! -e {PLACE}/$n ] || mv {PLACE}/$n /root/aside/; done")
    for name, says in (("firecracker", firecracker), ("jailer", jailer)):
        if says:
            machine.put(f"#!/bin/sh\necho '{says}'\n", f"{PLACE}/{name}", mode="0755")
    try:
        yield
    finally:
        machine.run(f"rm -rf {PLACE}/firecracker {PLACE}/jailer; chmod 755 {PLACE}; "
                    f"for n in firecracker jailer; do [ ! -e /root/aside/$n ] || mv /root/aside/$n {PLACE}/; done")


@pytest.mark.parametrize("versions, error, words", [
    ((None, None), "Unavailable", "firecracker is not installed"),
    (("Firecracker v1.16.1", None), "Unavailable", "jailer is not installed"),
    (("Firecracker v1.9.1", "Jailer v1.9.1"), "FailedPrecondition", "1.9.1, which is too old"),
    (("Firecracker v1.16.1", "Jailer v1.15.0"), "FailedPrecondition", "its jailer 1.15.0"),
    (("hello", "Jailer v1.16.1"), "FailedPrecondition", "does not tell a version")])
def test_only_a_new_enough_pair_is_taken(clean, versions, error, words):
    with stand_ins(clean, *versions):
        there, troubles = offered(clean)
        assert list(there) == ["qemu"] and words in troubles["firecracker"], troubles
        refused = refusal(clean)
        assert refused.name == f"org.banger.Error.{error}" and words in refused.message


@pytest.mark.parametrize("harm, words", [
    (f"chmod o+w {PLACE}/jailer", "can be written by others than root"),
    (f"chmod g+w {PLACE}/firecracker", "can be written by others than root"),
    (f"chown alice {PLACE}/jailer", "does not belong to root"),
    (f"chmod o+w {PLACE}", "can be written by others than root"),
    (f"chmod a-x {PLACE}/firecracker", "is not executable"),
    (f"mv {PLACE}/jailer {PLACE}/../jailer && ln -s ../jailer {PLACE}/jailer", "is a symlink"),
    (f"rm {PLACE}/jailer && mkfifo {PLACE}/jailer", "is no regular file")])
def test_only_roots_own_programs_are_taken(clean, harm, words):
    with stand_ins(clean):
        assert offered(clean)[0]["firecracker"] == "1.16.1"
        clean.run(harm)
        assert words in offered(clean)[1]["firecracker"]
        refused = refusal(clean)
        assert refused.name == "org.banger.Error.FailedPrecondition" and words in refused.message
    clean.run(f"rm -f {PLACE}/../jailer")


def test_a_program_is_asked_as_nobody_and_once(clean):
    with stand_ins(clean):
        clean.run(["systemctl", "stop", "banger-helper.service"])
        told = "$(id -u) $(sed -n s/^CapBnd:.//p /proc/self/status)"
        clean.put(f"#!/bin/sh\necho 'Jailer v1.16.1'\nlogger -t asked \"{told}\"\n", f"{PLACE}/jailer", mode="0755")
        for _ in range(3):
            assert offered(clean)[0]["firecracker"] == "1.16.1"
        asked = clean.run("journalctl -b -t asked -o cat --no-pager").stdout.split("\n")
        assert [line.split()[0] for line in asked if line] == ["65534"]


def test_a_jailer_that_fails_says_why(clean):
    with stand_ins(clean):
        clean.put("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Jailer v1.16.1' && exit\necho it cannot be >&2\nexit 1\n",
                  f"{PLACE}/jailer", mode="0755")
        refused = refusal(clean)
        assert "ended at once: it cannot be" in refused.message


def test_banger_jail_is_no_way_to_become_anything(host):
    """As root by hand, and as an owner."""
    for user in ("root", "alice"):
        refused = host.run(f"setpriv --no-new-privs {JAIL_PROGRAM} --jailer </dev/null", user=user, check=False)
        assert refused.status == 1 and "banger-jail is for banger's helper" in refused.stderr


@real
def test_firecracker_in_its_jail(clean):
    assert offered(clean)[0]["firecracker"].startswith("1.")
    unit, pid = launch(clean)
    assert unit == unit_of() and facts(clean) | {"state": "running", "pid": pid, "vmm": "firecracker", "unit": unit} == facts(clean)
    assert clean.run(["cat", f"{SLICE}/{unit}/cgroup.procs"]).stdout.split() == [str(pid)]
    assert show(clean, unit, "MainPID", "PrivateMounts", "ControlGroup") == {
        "MainPID": str(pid), "PrivateMounts": "yes", "ControlGroup": f"/banger.slice/{unit}"}
    status = dict(re.findall(r"^(\w+):[ \t]*(.*)$", clean.run(["cat", f"/proc/{pid}/status"]).stdout, re.M))
    assert status["Name"] == "firecracker" and status["Uid"].split() == status["Gid"].split() == ["1001"] * 4
    assert status["Groups"].strip() == "" and status["NoNewPrivs"] == "1"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[name], 16) == 0, name
    clean.until(f"test -S {RUN}/api.sock", "its API's socket", user="alice")
    clean.until(f"grep -L 'Seccomp:.2' /proc/{pid}/task/*/status | wc -l | grep -qx 0", "all threads filter their system calls")
    assert "1001" == clean.run(f"stat -c %u {RUN}/api.sock").stdout.strip()


@real
def test_what_it_sees(clean):
    _, pid = launch(clean)
    seen = set(clean.run(f"cd /proc/{pid}/root && find . -xdev ! -type d").stdout.split())
    assert seen - {"./dev/userfaultfd"} == {"./dev/kvm", "./dev/net/tun", "./dev/urandom", "./firecracker", "./firecracker.pid",
                                            "./kernel", "./initrd", "./drives/work"}
    mounts = {line.split()[4]: line.split()[5] for line in clean.run(["cat", f"/proc/{pid}/mountinfo"]).stdout.splitlines()}
    assert set(mounts) == {"/", "/run", "/kernel", "/initrd", "/drives/work"}
    for path, options in mounts.items():
        assert "nosuid" in options.split(",") and ("nodev" in options.split(",") or path == "/")
        assert ("ro" in options.split(",")) == (path in ("/kernel", "/initrd")), (path, options)
    descriptors = clean.run(f"readlink /proc/{pid}/fd/*").stdout
    assert "/home/alice/console" in descriptors and JAILS not in descriptors and "/dev/" not in descriptors
    # Nothing of it is the host's to see, or on its disk.
    assert clean.run("findmnt -rno TARGET | grep banger", check=False).stdout == ""
    assert clean.run(f"find {JAILS} ! -type d ! -type s").stdout == ""
    # Its owner's other processes can neither read nor trace it, nor walk into its root.
    for look in (f"cat /proc/{pid}/environ", f"ls /proc/{pid}/root/", f"ls {JAILS}/1001-{VM}/firecracker"):
        assert clean.run(look, user="alice", check=False).status != 0, look


@real
def test_its_limits_and_devices_are_its_units(clean):
    unit, pid = launch(clean)
    group = f"{SLICE}/{unit}"
    assert int(clean.run(["cat", f"{group}/memory.max"]).stdout) == (16 + 2 + 1024) << 20
    assert clean.run(["cat", f"{group}/pids.max"]).stdout == "129\n"
    assert clean.run(["cat", f"/proc/{pid}/oom_score_adj"]).stdout == "500\n"
    for device, status in (("/dev/kvm", 0), ("/dev/net/tun", 0), ("/dev/loop-control", 1), ("/dev/vda", 1)):
        tried = clean.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec 3<{device}"], check=False)
        assert bool(tried.status) == bool(status), (device, tried)


@real
def test_a_group_named_firecracker_does_not_take_it_away(clean):
    clean.run("mkdir /sys/fs/cgroup/firecracker")
    try:
        unit, pid = launch(clean)
        assert clean.run(["cat", f"/proc/{pid}/cgroup"]).stdout == f"0::/banger.slice/{unit}\n"
        cleanup(clean)
        clean.call("Network", "CreateTap", "(ssa{sv})", [VM, BRIDGE, {}])
    finally:
        clean.run("rmdir /sys/fs/cgroup/firecracker")


@real
def test_another_owner_reaches_nothing_of_it(clean):
    _, pid = launch(clean)
    clean.until(f"test -S {RUN}/api.sock", "its API's socket", user="alice")
    connect = f"import socket; socket.socket(socket.AF_UNIX).connect('{RUN}/api.sock')"
    clean.run(["python3", "-I", "-c", connect], user="alice")
    for user in ("bob", "stranger"):
        refused = clean.run(["python3", "-I", "-c", connect], user=user, check=False)
        assert refused.status != 0 and "PermissionError" in refused.stderr
        assert clean.run(["kill", str(pid)], user=user, check=False).status != 0
    with pytest.raises(BusError):
        clean.call("Machine", "Signal", "(ssa{sv})", [VM, "KILL", {}], user="bob")


@real
def test_signal_kill_and_wait(clean):
    unit, _ = launch(clean)
    clean.call("Machine", "Kill", "(sa{sv})", [VM, {}])
    assert facts(clean)["state"] == "exited"
    assert launch(clean)[0] == unit  # at once, in a jail made anew
    clean.call("Machine", "Signal", "(ssa{sv})", [VM, "KILL", {}])
    clean.call("Machine", "Wait", "(sa{sv})", [VM, {}])
    assert facts(clean)["state"] == "exited"


@real
def test_it_outlives_the_helper(clean):
    _, pid = launch(clean)
    kill_helper(clean)
    assert facts(clean)["pid"] == pid and facts(clean)["state"] == "running"


@real
def test_a_helper_killed_at_any_moment_of_a_launch_leaves_nothing(clean):
    for delay in (300, 500, 700, 900, 1200):
        clean.call("Machine", "List", "(a{sv})", [{}])
        pid = helper_pid(clean)
        running = begin_launch(clean)
        clean.run(f"sleep {delay / 1000}; kill -KILL {pid}")
        running.wait()
        clean.until(f"[ $(systemctl show -P MainPID banger-helper.service) != {pid} ]", "systemd has noticed")
        clean.run(["systemctl", "reset-failed"])
        state = facts(clean)["state"]
        assert state in ("absent", "exited", "running"), (delay, state)
        left = clean.run(f"cat {SLICE}/{unit_of()}/cgroup.procs 2>/dev/null", check=False).stdout.split()
        assert bool(left) == (state == "running"), (delay, state, left)
        cleanup(clean)
        clean.call("Network", "CreateTap", "(ssa{sv})", [VM, BRIDGE, {}])
        assert clean.run(f"ls -A {JAILS}; systemctl list-units --all --plain --no-legend 'banger-vm*'").stdout == ""


@real
@pytest.mark.parametrize("step", ["banger-jail", "jailer"])
def test_a_helper_killed_between_two_steps_of_a_launch(clean, step):
    """Each step is held up by a program that stops itself in the other's place."""
    program = JAIL_PROGRAM if step == "banger-jail" else f"{PLACE}/jailer"
    kept = f"{program}-real"
    clean.run(["mv", program, kept])
    clean.put(f"#!/bin/sh\n[ \"$1\" = --version ] || kill -STOP $$\nexec {kept} \"$@\"\n", program, mode="0755")
    try:
        running = begin_launch(clean)
        clean.until(f"grep -q 'State:.T' $(sed 's|.*|/proc/&/status|' {SLICE}/{unit_of()}/cgroup.procs)", "it is held up")
        kill_helper(clean)
        running.wait()
        assert facts(clean)["state"] in ("absent", "running")
        cleanup(clean)
        clean.until(f"[ ! -e {SLICE}/{unit_of()} ]", "the unit is gone")
    finally:
        clean.run(["mv", kept, program])
    assert clean.run(f"ls -A {JAILS}").stdout == ""


@real
def test_each_capability_is_needed(clean):
    """What is in the unit's set, taken away one by one, makes the launch fail."""
    unit, _ = launch(clean)
    names = show(clean, unit, "CapabilityBoundingSet")["CapabilityBoundingSet"].split()
    assert sorted(names) == ["cap_chown", "cap_dac_override", "cap_fowner", "cap_mknod", "cap_setgid", "cap_setuid", "cap_sys_admin"]
    clean.call("Machine", "Kill", "(sa{sv})", [VM, {}])
    folder = "/etc/systemd/system/banger-vm-.service.d"
    try:
        for name in names:
            clean.put(f"[Service]\nCapabilityBoundingSet=~{name.upper()}\n", f"{folder}/less.conf")
            clean.run("systemctl daemon-reload")
            with pytest.raises(BusError) as refused:
                launch(clean)
            assert "ended at once" in refused.value.message or "did not come up" in refused.value.message, name
    finally:
        clean.run(f"rm -r {folder} && systemctl daemon-reload")


# --- guests


def vm_property(machine, name, key):
    return json.loads(machine.run(["banger", "vm", "show", "-o", "json", name], user="alice").stdout)[key]


@pytest.fixture(scope="module")
def guests():
    with system(owners=OWNERS) as made:
        made.give_guests("alice")
        yield made


@real
def test_a_vm_runs_a_command(guests):
    before = guests.trace()
    result = guests.vm_run("sh", "-c", "uname -r; exit 7", vmm="firecracker")
    assert result.status == 7 and re.fullmatch(r"6\.\d+\.\d+.*\n", result.stdout), result
    guests.until("! ip -br link | grep -q btap-", "the tap is gone")
    after = guests.trace()
    for kind in ("mappings", "loops", "mounts", "units", "jails"):  # the owner's bridge stays for the next one
        assert after[kind] == before[kind], kind


@real
def test_auto_is_firecracker_and_says_so(guests):
    for _ in range(3):
        made = guests.run(["banger", "vm", "create", "--name", "one", "--start"], user="alice", check=False, timeout=GUEST_LIMIT)
        if made.status == 0:
            break
        guests.run("banger vm delete -f one", user="alice", check=False, timeout=120)
    assert made.status == 0, made
    assert vm_property(guests, "one", "vmm") == "firecracker"
    assert guests.run("banger vm exec one -- cat /proc/sys/kernel/hostname", user="alice").stdout == "one\n"
    line = guests.run("banger vm exec one -- cat /proc/cmdline", user="alice").stdout
    assert "banger.transport=vsock" in line and "virtio_mmio.device" in line
    # A daemon that begins anew finds it.
    guests.run("systemctl --user restart banger-daemon", user="alice")
    guests.until("banger vm exec one -- true", "its agent answers", user="alice")
    assert vm_property(guests, "one", "vmm") == "firecracker"
    guests.run("banger vm stop one", user="alice", timeout=120)
    assert (vm_property(guests, "one", "state"), vm_property(guests, "one", "exit_reason")) == ("stopped", "stopped")
    assert vm_property(guests, "one", "vmm") == "auto"
    guests.run("banger vm delete one", user="alice", timeout=120)
    assert "VMs run with Firecracker 1." in guests.run("banger doctor", user="alice", check=False).stdout
    assert "firecracker (kvm)" in guests.run("banger version", user="alice").stdout


@real
def test_without_firecracker_auto_is_qemu_and_says_so(guests):
    with stand_ins(guests, None, None):
        told = guests.run("banger doctor", user="alice", check=False).stdout
        assert "VMs run with banger-qemu: firecracker is not installed" in told
        refused = guests.vm_run("true", vmm="firecracker")
        assert refused.status == 125 and "firecracker is not installed" in refused.stderr and "/usr/local/bin/jailer" in refused.stderr
        result = guests.vm_run("cat", "/proc/cmdline")
        assert result.status == 0 and "banger.transport=serial" in result.stdout, result
        assert "runs with qemu: firecracker is not installed" in guests.journal()
