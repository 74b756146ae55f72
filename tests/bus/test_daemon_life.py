"""Restart, signals, pause, rename, protection, waiting, and the ends that a guest makes itself."""
import os
import signal

import pytest
from banger_test import BusError, kill_and_wait, until
from daemon_parts import STEPS, Client, variants
from daemon_place import client, place, shared  # noqa: F401 (fixtures)

VM = "org.banger.Vm1"


def steps(client, job):
    return [row[0] for row in client.job(job)["Steps"]]


def says(place, vm, *lines):
    """What a guest's kernel would write on its console."""
    with open(place.instance.home / ".local/share/banger/vms" / vm["id"] / "console.log", "a", encoding="ascii") as console:
        console.writelines(f"[    3.141] {line}\n" for line in lines)


def waits(client, name, **options):
    return client.manager("WaitVm", "(sa{sv})", name, variants(options))[0]


# --- restart


def test_a_restart_is_one_job(place, client):
    client.made(name="box", start=True)
    first = place.vmms()
    job = client.act("RestartVm", "box")
    assert client.wait(job)["name"] == "box"
    assert client.job(job)["Operation"] == "vm-restart"
    assert [step for step in steps(client, job) if step != "cleanup"] == ["shutdown", *STEPS]
    assert all(row[1] == "done" for row in client.job(job)["Steps"])
    assert len(place.vmms()) == 1 and place.vmms() != first
    assert client.vms()["box"]["State"] == "running"


def test_a_restart_at_rest_is_a_start(place, client):
    client.made(name="box")
    job = client.act("RestartVm", "box")
    client.wait(job)
    assert steps(client, job) == STEPS


def test_a_restart_of_an_ephemeral_vm_keeps_it(place, client):
    client.made(name="box", start=True, ephemeral=True)
    client.done("RestartVm", "box")
    assert client.vms()["box"]["State"] == "running"


def test_a_restart_that_is_cancelled_ends_with_its_stop(place, client):
    client.made(name="box", start=True)
    os.kill(place.vmms()[0], signal.SIGSTOP)
    job = client.act("RestartVm", "box", **{"timeout-ms": 60000})
    client.until_step(job, "shutdown")
    client.call(job, "org.banger.Job1", "Cancel", "(a{sv})", {})
    client.done("KillVm", "box")  # hurries its stop
    client.fails("Cancelled", lambda: client.wait(job))
    assert client.vms()["box"]["State"] == "stopped"
    assert place.vmms() == []


@pytest.mark.parametrize("member", ["StopVm", "KillVm", "DeleteVm"])
def test_ends_win_over_a_restart(place, client, member):
    client.made(name="box", start=True)
    os.kill(place.vmms()[0], signal.SIGSTOP)
    job = client.act("RestartVm", "box", **{"timeout-ms": 300 if member == "StopVm" else 60000})
    client.until_step(job, "shutdown")
    client.done(member, "box", **({"force": True} if member == "DeleteVm" else {}))
    client.fails("Cancelled", lambda: client.wait(job))
    assert place.vmms() == []
    assert [vm["State"] for vm in client.vms().values()] == ([] if member == "DeleteVm" else ["stopped"])


def test_the_start_of_a_restart_fails(place, client):
    client.made(name="box", start=True)
    # A folder where the console's log is to go: the launch cannot begin a new one.
    made = client.vms()["box"]
    old = place.instance.home / ".local/share/banger/vms" / made["Id"] / "console.log.old"
    os.kill(place.vmms()[0], signal.SIGSTOP)
    job = client.act("RestartVm", "box", **{"timeout-ms": 200})
    client.until_step(job, "shutdown")
    old.mkdir()
    try:
        assert "step: launch" in client.fails("Internal", lambda: client.wait(job))
    finally:
        old.rmdir()
    vm = client.vms()["box"]
    assert (vm["State"], vm["ExitReason"]) == ("failed", "start-failed") and "console.log" in vm["ExitDetail"]
    client.done("RestartVm", "box")


# --- signals


def test_a_signal_goes_to_the_vmm(place, client):
    client.made(name="box", start=True)
    job = client.act("KillVm", "box", signal="TERM")
    client.wait(job)
    assert waits(client, "box", until=("as", ["stopped"]))["exit-reason"] == "killed"
    assert "TERM" in client.vms()["box"]["ExitDetail"]


def test_signals_that_are_refused(place, client):
    client.made(name="box")
    assert "ABRT" in client.fails("InvalidArgument", lambda: client.act("KillVm", "box", signal="STOP"))
    client.fails("FailedPrecondition", lambda: client.act("KillVm", "box", signal="TERM"))
    client.done("KillVm", "box", signal="KILL")  # nothing runs: done


# --- pause


def test_pause_and_resume(place, client):
    client.made(name="box", start=True)
    client.done("PauseVm", "box")
    assert client.vms()["box"]["State"] == "paused"
    assert "resume" in client.fails("FailedPrecondition", lambda: client.manager("OpenSession", "(sa{sv})", "box", {}))
    client.done("PauseVm", "box")
    client.fails("FailedPrecondition", lambda: client.done("StartVm", "box"))
    job = client.act("ResumeVm", "box")
    client.wait(job)
    assert steps(client, job) == ["resume", "clock"]
    assert client.vms()["box"]["State"] == "running"
    job = client.act("ResumeVm", "box")  # sent though it runs
    client.wait(job)
    assert steps(client, job) == ["resume", "clock"] and client.vms()["box"]["State"] == "running"
    assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="x").stdout == "x"


def test_what_does_not_run_is_not_paused(place, client):
    client.made(name="box")
    for member in ("PauseVm", "ResumeVm"):
        client.fails("FailedPrecondition", lambda member=member: client.done(member, "box"))


def test_a_paused_vm_is_stopped_gracefully(place, client):
    client.made(name="box", start=True)
    client.done("PauseVm", "box")
    job = client.act("StopVm", "box")
    client.wait(job)
    assert steps(client, job) == ["resume", "shutdown"]
    assert client.vms()["box"]["ExitReason"] == "stopped"


def test_a_paused_vm_is_found_paused(place, client):
    client.made(name="box", start=True)
    client.done("PauseVm", "box")
    kill_and_wait(place.daemon()[0])
    client.done("PauseVm", "box")
    assert client.vms()["box"]["State"] == "paused" and len(place.vmms()) == 1
    client.done("ResumeVm", "box")
    client.done("StopVm", "box")


def test_a_vmm_dies_while_paused(place, client):
    client.made(name="box", start=True)
    client.done("PauseVm", "box")
    kill_and_wait(place.vmms()[0])
    assert client.until_state("box", "stopped")["ExitReason"] == "crashed"


# --- names and protection


def test_rename(place, client):
    made = client.made(name="box")
    client.manager("RenameVm", "(ssa{sv})", "box", "other", {})
    assert set(client.vms()) == {"other"}
    client.call(made["vm"], VM, "Rename", "(sa{sv})", "third", {})
    client.done("StartVm", "third")
    client.fails("FailedPrecondition", lambda: client.manager("RenameVm", "(ssa{sv})", "third", "box", {}))
    client.done("StopVm", "third")
    client.made(name="box")
    client.fails("AlreadyExists", lambda: client.manager("RenameVm", "(ssa{sv})", "third", "box", {}))
    client.fails("InvalidArgument", lambda: client.manager("RenameVm", "(ssa{sv})", "third", "not a label", {}))
    kill_and_wait(place.daemon()[0])
    assert set(client.vms()) == {"third", "box"}


def test_a_protected_vm_is_not_deleted(place, client):
    client.made(name="box", start=True, protected=True)
    assert client.vms()["box"]["Protected"]
    for force in (False, True):
        text = client.fails("FailedPrecondition", lambda force=force: client.done("DeleteVm", "box", force=force))
        assert "is protected" in text and "banger vm protect --off box" in text
    assert client.vms()["box"]["State"] == "running"
    client.fails("InvalidArgument", lambda: client.create(name="gone", protected=True, ephemeral=True))
    client.done("SetVm", "box", protected=False)


# --- waiting


def test_wait_answers_when_the_state_comes(place, client):
    client.made(name="box", start=True)
    assert waits(client, "box", until=("as", ["running", "paused"]))["state"] == "running"
    other = Client(place.instance)
    other.send(**other.request("/org/banger/Manager1", "org.banger.Manager1", "WaitVm", "(sa{sv})", "box", {}))
    client.done("StopVm", "box")
    assert other.receive()[0] == {"state": "stopped", "exit-reason": "stopped", "exit-detail": ""}
    other.leave()


def test_those_who_left_wait_no_more(place, client):
    client.made(name="box", start=True)
    script = """
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
call = ("org.banger.Manager1", "/org/banger/Manager1", "org.banger.Manager1", "WaitVm", GLib.Variant("(sa{sv})", ("box", {})))
for _ in range(64):
    bus.call(*call, None, 0, -1, None, None)
try:
    bus.call_sync(*call, None, 0, -1, None)
except GLib.Error as error:
    print(error)
"""
    assert "org.banger.Error.Busy" in place.instance.exec("/usr/bin/python3", "-I", "-c", script).stdout

    def has_room():
        with pytest.raises(BusError) as failure:
            waits(client, "box", **{"timeout-ms": 1})
        return failure.value.name.endswith(".Timeout")
    until(has_room, "nobody waits any more")


def test_wait_gives_up(place, client):
    client.made(name="box")
    client.fails("Timeout", lambda: waits(client, "box", until=("as", ["running"]), **{"timeout-ms": 50}))
    client.fails("InvalidArgument", lambda: waits(client, "box", until=("as", ["asleep"])))
    client.fails("InvalidArgument", lambda: waits(client, "box", until=("as", [])))
    other = Client(place.instance)
    other.send(**other.request("/org/banger/Manager1", "org.banger.Manager1", "WaitVm", "(sa{sv})", "box",
                               variants({"until": ("as", ["running"])})))
    client.done("DeleteVm", "box")
    client.fails("NotFound", other.receive)
    other.leave()


# --- the guest's own ends


def test_a_guest_that_reboots_is_started_again(place, client):
    made = client.made(name="box", start=True)
    first = place.vmms()[0]
    says(place, made, "reboot: Restarting system", "reboot: machine restart")
    kill_and_wait(first, signal.SIGTERM)
    until(lambda: place.vmms() and place.vmms() != [first] and client.vms()["box"]["State"] == "running", "it runs again")
    assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="x").stdout == "x"
    client.done("StopVm", "box")


def test_a_guest_that_reboots_for_ever_stays_stopped(place, client):
    made = client.made(name="box", start=True)
    for _ in range(5):
        until(lambda: place.vmms() and client.vms()["box"]["State"] == "running", "it runs")
        says(place, made, "reboot: Restarting system")
        kill_and_wait(place.vmms()[0], signal.SIGTERM)
    vm = client.until_state("box", "stopped")
    assert vm["ExitReason"] == "reboot" and "5 times in a row" in vm["ExitDetail"]
    assert place.vmms() == []
    client.done("StartVm", "box")  # counts from the beginning
    first = place.vmms()[0]
    says(place, made, "reboot: Restarting system")
    kill_and_wait(first, signal.SIGTERM)
    until(lambda: place.vmms() and place.vmms() != [first] and client.vms()["box"]["State"] == "running", "it runs again")
    client.done("StopVm", "box")


@pytest.mark.parametrize("words, reason", [
    (["reboot: Power down"], "poweroff"), (["banger-agent: power off", "reboot: Restarting system"], "poweroff"),
    (["Kernel panic - not syncing: sysrq triggered crash", "CPU: 0"], "panic")])
def test_a_guest_that_ends_stays_ended(place, client, words, reason):
    made = client.made(name="box", start=True)
    says(place, made, *words)
    kill_and_wait(place.vmms()[0], signal.SIGTERM)
    vm = client.until_state("box", "stopped")
    assert vm["ExitReason"] == reason
    assert vm["ExitDetail"] == ("Kernel panic - not syncing: sysrq triggered crash" if reason == "panic" else "")
    assert place.vmms() == []


def test_an_ephemeral_guest_that_reboots_is_gone(place, client):
    made = client.made(name="box", start=True, ephemeral=True)
    says(place, made, "reboot: Restarting system")
    kill_and_wait(place.vmms()[0], signal.SIGTERM)
    until(lambda: not client.vms(), "it is gone")


def test_the_detail_of_a_crash_is_the_vmms_status(place, client):
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 15):
        pytest.skip("this kernel does not tell the status of a process that is not one's child")
    client.made(name="box", start=True)
    kill_and_wait(place.vmms()[0], signal.SIGKILL)
    assert client.until_state("box", "stopped")["ExitDetail"] == "signal 9 (KILL)"


# --- set


def test_set_at_rest(place, client):
    client.made(name="box")
    job = client.act("SetVm", "box", vcpus=3, **{"memory-mib": 256, "disk-bytes": ("t", 5 << 30), "auto-stop-after-s": 3600},
                     autostart=True, nat=False)
    assert client.wait(job)["name"] == "box"

    def check():
        vm = client.vms()["box"]
        assert [vm[key] for key in ("Vcpus", "MemoryMiB", "DiskBytes", "AutoStopAfter", "Autostart", "Nat", "Protected")] == \
            [3, 256, 5 << 30, 3600, True, False, False]

    check()
    kill_and_wait(place.daemon()[0])
    check()
    client.done("SetVm", "box", autostart=False, **{"auto-stop-after-s": 0})
    vm = client.vms()["box"]
    assert not vm["Autostart"] and vm["AutoStopAfter"] == 0 and vm["Vcpus"] == 3


def test_what_set_refuses(place, client):
    client.made(name="box")
    for options in ({}, {"vcpus": 0}, {"vcpus": 33}, {"memory-mib": 1}, {"disk-bytes": ("t", 5)}, {"colour": "red"}, {"nat": "yes"}):
        client.fails("InvalidArgument", lambda options=options: client.act("SetVm", "box", **options))
    client.fails("FailedPrecondition", lambda: client.act("SetVm", "box", **{"memory-mib": 2**32 - 1}))
    text = client.fails("InvalidArgument", lambda: client.done("SetVm", "box", vcpus=4, **{"disk-bytes": ("t", 1 << 30)}))
    assert "grow" in text and client.vms()["box"]["Vcpus"] == 2  # all or nothing


def test_set_of_a_running_vm(place, client):
    client.made(name="box", start=True)
    text = client.fails("FailedPrecondition", lambda: client.done("SetVm", "box", vcpus=4, nat=False))
    assert "at rest" in text and client.vms()["box"]["Nat"]

    def rules():
        return place.instance.exec("nft", "list", "ruleset", user="root").stdout

    before = rules()
    job = client.act("SetVm", "box", nat=False)
    client.wait(job)
    assert steps(client, job) == ["nat"] and rules() != before and not client.vms()["box"]["Nat"]
    client.done("SetVm", "box", nat=True)
    assert rules() == before


def test_an_ephemeral_vm_takes_no_autostart(place, client):
    client.made(name="box", ephemeral=True)
    client.fails("InvalidArgument", lambda: client.act("SetVm", "box", autostart=True))


def test_changes_are_told(place, client):
    """What `banger events` lives on."""
    client.made(name="box")
    monitor = place.instance.popen("/usr/bin/gdbus", "monitor", "--session", "--dest", "org.banger.Manager1", stdout=-1, text=True)
    assert "monitoring" in monitor.stdout.readline().lower()
    assert monitor.stdout.readline()  # whose name it is
    client.done("SetVm", "box", vcpus=7)
    client.manager("RenameVm", "(ssa{sv})", "box", "other", {})
    client.done("StartVm", "other")
    seen = line = ""
    while not ("/vm/" in line and "'State': <'running'>" in line):
        line = monitor.stdout.readline()
        assert line
        seen += line if "/vm/" in line else ""
    monitor.kill()
    monitor.stdout.close()
    monitor.wait()
    assert "'Vcpus': <uint32 7>" in seen and "'Name': <'other'>" in seen and "'State': <'starting'>" in seen
