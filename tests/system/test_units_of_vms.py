"""VMs as systemd units of their own: what starts them, what limits them, what they outlive, and what is never left of them."""
import json
import time

import pytest
from banger_test import BusError

HELPER_UNIT = "banger-helper.service"
VM, VM2, BRIDGE, NETWORK = "0123456789abcdef", "123456789abcdef0", "br-fc-test", "172.30.9.1/24"
NULL = {"vmm": ["s", "null"]}
SLICE = "/sys/fs/cgroup/banger.slice"
LAUNCH = f"busctl call org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1.Machine Launch 'sa{{sv}}' {VM} 1 vmm s null"
JAIL_PROGRAM = "/usr/libexec/banger/banger-jail"
# Waits until systemd has noticed that this helper is gone.
GONE = f"until [ $(systemctl show -P MainPID {HELPER_UNIT}) != {{pid}} ]; do :; done; systemctl reset-failed"
MIB = 1 << 20


def unit_of(vm=VM, uid=1001):
    return f"banger-vm-{uid}-{vm}.service"


def launch(machine, vm=VM, user="alice", **options):
    """(unit, pid) of a VMM that boots nothing."""
    unit, pid, *_ = machine.call("Machine", "Launch", "(sa{sv})", [vm, {**NULL, **options}], user=user)
    return unit, pid


def facts(machine, vm=VM, user="alice"):
    return {key: value[-1] if isinstance(value, list) else value
            for key, value in machine.call("Machine", "Inspect", "(sa{sv})", [vm, {}], user=user)[0].items()}


def cleanup(machine, vm=VM, user="alice"):
    machine.call("Machine", "Cleanup", "(sa{sv})", [vm, {}], user=user)


def show(machine, unit, *names):
    lines = machine.run(["systemctl", "show", unit, *(f"-p{name}" for name in names)]).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines)


def helper_pid(machine):
    return int(machine.run(["systemctl", "show", "-P", "MainPID", HELPER_UNIT]).stdout)


def kill_helper(machine):
    pid = helper_pid(machine)
    machine.run(f"kill -KILL {pid}; {GONE.format(pid=pid)}")


@pytest.fixture
def clean(installed):
    """The machine; nothing may be left after the test."""
    if not installed.last_trace:
        installed.call("Machine", "List", "(a{sv})", [{}])  # so that the helper's own folders are there
    with installed.unchanged():
        yield installed
        for user in ("alice", "bob"):
            for vm in installed.call("Machine", "List", "(a{sv})", [{}], user=user)[0]:
                cleanup(installed, vm, user)
    assert installed.run(f"pgrep -af 'bwrap|banger-qemu|{JAIL_PROGRAM}'", check=False).stdout == ""


def test_a_vmm_is_a_unit_of_its_own(clean):
    unit, pid = launch(clean, vcpus=["u", 2], **{"memory-mib": ["u", 256]})
    assert unit == unit_of() and facts(clean)["unit"] == unit and facts(clean)["pid"] == pid
    told = show(clean, unit, "Description", "Slice", "ActiveState", "User", "Group", "ControlGroup", "SyslogIdentifier")
    assert told == {"Description": f"banger: VM {VM} of alice", "Slice": "banger.slice", "ActiveState": "active", "User": "1001",
                    "Group": "1001", "ControlGroup": f"/banger.slice/{unit}", "SyslogIdentifier": "banger-vm"}
    assert str(pid) in clean.run(["cat", f"{SLICE}/{unit}/cgroup.procs"]).stdout.split()
    status = clean.run(["cat", f"/proc/{pid}/status"]).stdout
    assert "Uid:\t1001\t1001\t1001\t1001" in status and "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status
    assert f"{unit}" in clean.run(["systemctl", "status", "--no-pager", unit]).stdout
    clean.until(f"test -S /var/lib/banger/jails/1001-{VM}/run/api.sock", "its API's socket", user="alice")
    assert clean.run(f"ls /var/lib/banger/jails/1001-{VM}/run", user="bob", check=False).status != 0


def test_its_limits_are_the_kernels(clean):
    unit, pid = launch(clean, vcpus=["u", 2], **{"memory-mib": ["u", 256]})
    group = f"{SLICE}/{unit}"
    assert int(clean.run(["cat", f"{group}/memory.max"]).stdout) == (256 + 32 + 1024) * MIB
    assert clean.run(["cat", f"{group}/pids.max"]).stdout == "130\n"
    assert clean.run(["cat", f"{group}/cpu.max"]).stdout == "300000 100000\n"
    assert clean.run(["cat", f"/proc/{pid}/oom_score_adj"]).stdout == "500\n"
    limits = clean.run(["cat", f"/proc/{pid}/limits"]).stdout
    assert "Max core file size        0                    0" in limits
    assert "Max open files            4096                 4096" in limits
    # No device but what a VMM needs: the helper's own group would not let it in either.
    script = f"echo $$ >{group}/cgroup.procs; exec 3<>/dev/net/tun"
    refused = clean.run(["sh", "-c", script], check=False)
    assert refused.status != 0 and "not permitted" in refused.stderr, refused
    assert clean.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs; exec 3<>/dev/kvm"], check=False).status == 0


def test_the_journal_knows_the_operation(clean):
    op = "0123456789abcdef0123456789abcdef"
    unit, _ = launch(clean, **{"op-id": ["s", op]})
    assert "Launch: done" in clean.run(["journalctl", "--no-pager", "-o", "cat", f"OP_ID={op}", f"VM_ID={VM}"]).stdout
    assert f"banger: VM {VM} of alice" in clean.run(["journalctl", "--no-pager", "-o", "cat", "-u", unit]).stdout
    cleanup(clean)
    assert clean.run("ls /run/systemd/units | grep banger-vm", check=False).stdout == ""


def test_it_outlives_a_helper_that_is_killed_or_stopped(clean):
    unit, pid = launch(clean)
    kill_helper(clean)
    assert facts(clean)["pid"] == pid and facts(clean)["unit"] == unit
    clean.run(["systemctl", "restart", HELPER_UNIT])
    assert facts(clean)["state"] == "running"
    clean.call("Machine", "Signal", "(ssa{sv})", [VM, "TERM", {}])
    clean.until(f"! systemctl -q is-active {unit}", "the unit has ended")
    assert facts(clean)["state"] == "exited"


def test_an_administrator_may_end_it(clean):
    for way in ("systemctl stop", "systemctl kill --signal=KILL"):
        unit, _ = launch(clean)
        clean.run(f"{way} {unit}")
        clean.until(f"[ ! -e {SLICE}/{unit} ]", "the unit is gone")
        assert facts(clean)["state"] == "exited", way
        cleanup(clean)
    assert not clean.failed_units()


def test_kill_ends_all_that_is_in_the_unit(clean):
    unit, pid = launch(clean)
    script = f"echo $$ >{SLICE}/{unit}/cgroup.procs; exec setpriv --reuid 1001 --clear-groups setsid sleep 1000"
    clean.run(f"setsid sh -c '{script}' >/dev/null 2>&1 & disown")
    clean.until(f"grep -q sleep $(sed 's|.*|/proc/&/comm|' {SLICE}/{unit}/cgroup.procs)", "the left-over runs")
    clean.call("Machine", "Kill", "(sa{sv})", [VM, {}])
    assert clean.run(["test", "-e", f"/proc/{pid}"], check=False).status != 0
    assert clean.run(f"test -e {SLICE}/{unit}", check=False).status != 0
    assert facts(clean)["state"] == "exited"
    assert launch(clean)[0] == unit  # at once, under the same name


def test_only_what_is_in_the_unit_is_proven(clean):
    """A record that names a process outside of its unit, with its right start time: somebody else's."""
    unit, pid = launch(clean)
    victim = clean.run("setsid sleep 1000 >/dev/null 2>&1 & echo $!", user="alice").stdout.strip()
    ledger = f"/run/banger/ledger/1001-{VM}.json"
    record = json.loads(clean.run(["cat", ledger]).stdout)
    start = int(clean.run(f"cut -d' ' -f22 /proc/{victim}/stat").stdout)
    clean.run(["systemctl", "stop", HELPER_UNIT])
    for part in ("main", "monitor"):
        record["vmm"][part].update(pid=int(victim), start=start)
    clean.put(json.dumps(record), ledger, mode="0600")
    assert facts(clean)["state"] == "exited"
    with pytest.raises(BusError):
        clean.call("Machine", "Signal", "(ssa{sv})", [VM, "KILL", {}])
    cleanup(clean)
    clean.run(["test", "-d", f"/proc/{victim}"])
    assert clean.run(["test", "-d", f"/proc/{pid}"], check=False).status != 0
    clean.run(["kill", victim])


def test_another_owners_vm_is_left_alone(clean):
    launch(clean)
    unit, pid = launch(clean, user="bob")
    assert unit == unit_of(uid=1002)
    cleanup(clean)
    assert facts(clean, user="bob") | {"state": "running", "pid": pid, "unit": unit} == facts(clean, user="bob")
    assert clean.run(["kill", str(pid)], user="alice", check=False).status != 0


def test_a_unit_that_no_record_knows_is_ended(clean):
    unit = unit_of(VM2)
    clean.run(["systemd-run", f"--unit={unit}", "--slice=banger.slice", "--collect", "sleep", "1000"])
    other = "banger-vm-other.service"  # no VM's name
    clean.run(["systemd-run", f"--unit={other}", "--slice=banger.slice", "--collect", "sleep", "1000"])
    # Of a VM's name, but not in the slice.
    clean.run(["systemd-run", f"--unit={unit_of(VM)}", "--slice=system.slice", "--collect", "sleep", "1000"])
    kill_helper(clean)
    assert clean.call("Machine", "List", "(a{sv})", [{}]) == [[]]
    clean.until(f"! systemctl -q is-active {unit}", "the stray unit is gone")
    for kept in (other, unit_of(VM)):
        assert clean.run(["systemctl", "is-active", kept]).stdout == "active\n"
    with pytest.raises(BusError) as refused:
        launch(clean)
    assert refused.value.name in ("org.banger.Error.Timeout", "org.banger.Error.Unavailable")
    clean.run(["systemctl", "stop", other, unit_of(VM)])
    launch(clean)


def test_a_helper_killed_at_any_moment_of_a_launch_leaves_nothing(clean):
    begin = time.monotonic()
    clean.run(f"{LAUNCH} >/dev/null", user="alice")
    whole = time.monotonic() - begin
    cleanup(clean)
    for part in (0.2, 0.4, 0.6, 0.8, 1.0):
        pid = helper_pid(clean)
        call = clean.start(f"{LAUNCH} >/dev/null 2>&1; true", user="alice")
        clean.run(f"sleep {whole * part:.3f}; kill -KILL {pid}")
        call.wait()
        clean.run(GONE.format(pid=pid))
        state = facts(clean)["state"]  # a new helper has mended before it answers
        assert state in ("absent", "running"), (part, state)
        running = clean.run(f"cat {SLICE}/{unit_of()}/cgroup.procs 2>/dev/null", check=False).stdout.split()
        assert bool(running) == (state == "running"), (part, state, running)
        cleanup(clean)
        assert clean.run("ls -A /var/lib/banger/jails; systemctl list-units --all --plain --no-legend 'banger-vm*'").stdout == ""


@pytest.mark.parametrize("step", ["banger-jail", "bubblewrap"])
def test_a_helper_killed_between_two_steps_of_a_launch(clean, step):
    """Each step is held up by a program that stops itself in banger-jail's or bubblewrap's place."""
    program = JAIL_PROGRAM if step == "banger-jail" else "/usr/bin/bwrap"
    real = f"{program}-real"
    clean.run(["mv", program, real])
    clean.put(f"#!/bin/sh\nkill -STOP $$\nexec {real} \"$@\"\n", program, mode="0755")
    try:
        call = clean.start(f"{LAUNCH}; true", user="alice")
        clean.until(f"grep -q 'State:.T' $(sed 's|.*|/proc/&/status|' {SLICE}/{unit_of()}/cgroup.procs)", "it is held up")
        kill_helper(clean)
        call.wait()
        assert facts(clean)["state"] == "absent"
        clean.until(f"[ ! -e {SLICE}/{unit_of()} ]", "the unit is gone")
    finally:
        clean.run(["mv", real, program])
    assert clean.run("ls -A /var/lib/banger/jails").stdout == ""


def test_a_jail_that_fails_says_why(clean):
    clean.run("mv /usr/bin/bwrap /usr/bin/real-bwrap")
    clean.put("#!/bin/sh\necho it cannot be >&2\nexit 1\n", "/usr/bin/bwrap", mode="0755")
    try:
        with pytest.raises(BusError) as refused:
            launch(clean)
        assert "ended at once: it cannot be" in refused.value.message
    finally:
        clean.run("mv /usr/bin/real-bwrap /usr/bin/bwrap")
    clean.run(f"mv {JAIL_PROGRAM} /root/")
    try:
        with pytest.raises(BusError) as refused:
            launch(clean)
        assert "banger-jail" in refused.value.message
    finally:
        clean.run(f"mv /root/banger-jail {JAIL_PROGRAM}")
    assert facts(clean)["state"] == "absent"


def test_more_memory_than_its_limit_ends_it(clean):
    unit, _ = launch(clean)
    clean.run(["systemctl", "set-property", "--runtime", unit, "MemoryMax=24M", "MemorySwapMax=0"])
    hog = f"echo $$ >{SLICE}/{unit}/cgroup.procs; exec python3 -c \"x = b'x' * (64 << 20)\""
    clean.run(["sh", "-c", hog], check=False)
    clean.until(f"[ ! -e {SLICE}/{unit} ]", "the kernel and systemd have ended it")
    assert facts(clean)["state"] == "exited"


def test_machinectl_lists_it(clean):
    _, pid = launch(clean)
    name = f"banger-1001-{VM}"
    clean.until(f"machinectl list --no-legend | grep -q '{name} *vm *banger'", "systemd-machined knows it")
    assert clean.run(["machinectl", "show", name, "--property=Leader", "--value"]).stdout == f"{pid}\n"
    cleanup(clean)
    clean.until(f"! machinectl show {name}", "systemd-machined has forgotten it")


def test_nothing_hangs_on_machined(clean):
    clean.run("systemctl mask --runtime --now systemd-machined")
    try:
        launch(clean)
        assert facts(clean)["state"] == "running"
    finally:
        clean.run("systemctl unmask --runtime systemd-machined")
