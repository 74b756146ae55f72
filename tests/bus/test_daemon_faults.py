"""The owner daemon when it, the helper or a VMM is killed at any moment: states are right afterwards, nothing is left, and the
next command works."""
import os
import signal
import threading

import pytest
from banger_test import BusError, Instance, kill_and_wait, until, wait_ended
from daemon_parts import Client, Place, error_of
from daemon_place import client, place, shared  # noqa: F401 (fixtures)

MOMENTS = [0, 2, 5, 10, 15, 20, 30, 40, 60, 80, 120]  # ms after the call: over all steps of a start, whatever the machine


def pause(milliseconds):
    """Not to wait for anything: the moment of a fault."""
    threading.Event().wait(milliseconds / 1000)


def works(place, client):
    """A whole life of another VM."""
    client.made(name="after", start=True)
    assert place.instance.exec("banger", "vm", "exec", "after", "--", "cat", input="x").stdout == "x"
    client.done("StopVm", "after")
    client.done("DeleteVm", "after")


def settled(client, name):
    """The VM once its state is none that passes; None when there is no such VM."""
    def look():
        vm = client.vms().get(name)
        return vm is None or vm["State"] in ("created", "running", "stopped", "failed")
    until(look, f"{name} is settled")
    return client.vms().get(name)


def ended(client, other):
    """What came of the call or job that `other` waits for."""
    try:
        other.receive()
        return "done"
    except BusError as error:
        return error.name


@pytest.mark.parametrize("moment", MOMENTS)
def test_daemon_is_killed_while_a_vm_starts(place, client, moment):
    client.vms()
    victim = place.daemon()[0]
    client.create(name="box", start=True)
    pause(moment)
    kill_and_wait(victim)
    vm = settled(client, "box")
    if vm["State"] == "running":
        assert len(place.vmms()) == 1
        assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="x").stdout == "x"
    else:
        assert (vm["State"], vm["ExitReason"]) in (("created", ""), ("failed", "start-failed"))
        until(lambda: not place.vmms(), "no VMM is left")
        client.done("StartVm", "box")
    works(place, client)


@pytest.mark.parametrize("member", ["StopVm", "KillVm", "DeleteVm"])
@pytest.mark.parametrize("moment", [0, 2, 5, 10, 20, 40])
def test_daemon_is_killed_while_a_vm_ends(place, client, member, moment):
    client.made(name="box", start=True)
    victim = place.daemon()[0]
    client.act(member, "box", **({"force": True} if member == "DeleteVm" else {}))
    pause(moment)
    kill_and_wait(victim)
    vm = settled(client, "box")
    if member == "DeleteVm":
        assert vm is None
    else:
        assert vm["State"] in ("running", "stopped")
    works(place, client)


@pytest.mark.parametrize("moment", MOMENTS)
def test_helper_is_killed_while_a_vm_starts(place, client, moment):
    client.vms()
    place.instance.helper("Machine", "List", "(a{sv})", [{}])
    victim = place.helper()[0]
    job = client.create(name="box", start=True)
    pause(moment)
    kill_and_wait(victim)
    try:
        client.wait(job)
        assert client.vms()["box"]["State"] == "running"
    except BusError as error:
        assert error.name.startswith("org.banger.Error.") and "step: " in error.message
        assert client.vms()["box"]["State"] == "failed"
        until(lambda: not place.vmms(), "no VMM is left")
        client.done("StartVm", "box")
    works(place, client)


@pytest.mark.parametrize("moment", [0, 5, 20])
def test_helper_is_killed_while_a_vm_ends(place, client, moment):
    client.made(name="box", start=True)
    victim = place.helper()[0]
    job = client.act("DeleteVm", "box", force=True)
    pause(moment)
    kill_and_wait(victim)
    client.wait(job)
    works(place, client)


@pytest.mark.parametrize("mode", ["", "never-ready"])
def test_vmm_is_killed_while_a_vm_starts(place, client, mode):
    job = client.create(name="box", start=True, **({"null-mode": mode} if mode else {}))
    kill_and_wait(until(place.vmms, "a VMM runs")[0])
    try:
        client.wait(job)
    except BusError as error:
        assert "step: " in error.message
    vm = settled(client, "box")
    assert (vm["State"], vm["ExitReason"]) in (("failed", "start-failed"), ("stopped", "crashed"))
    works(place, client)


def test_daemon_is_killed_while_a_guest_is_not_ready(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready"})
    client.until_step(job, "ready")
    kill_and_wait(place.daemon()[0])
    vm = settled(client, "box")
    assert (vm["State"], vm["ExitReason"]) == ("failed", "start-failed")
    assert place.vmms() == []


def test_daemon_and_vmm_are_killed(place, client):
    client.made(name="box", start=True)
    daemon, vmm = place.daemon()[0], place.vmms()[0]
    kill_and_wait(daemon)
    kill_and_wait(vmm)
    assert client.until_state("box", "stopped")["ExitReason"] == "crashed"
    client.done("StartVm", "box")


def test_daemon_is_killed_with_tied_and_ephemeral_vms(place, client):
    client.made(name="gone", start=True, ephemeral=True)
    client.made(name="tied", start=True, tied=True)
    client.made(name="kept", start=True)
    kill_and_wait(place.daemon()[0])
    until(lambda: "gone" not in client.vms(), "the ephemeral one is gone")
    client.until_state("tied", "stopped")
    client.done("StartVm", "kept")  # once it is known that it runs
    assert client.vms()["kept"]["State"] == "running" and len(place.vmms()) == 1


def test_calls_during_recovery_wait_for_it(place, client):
    client.made(name="box", start=True)
    kill_and_wait(place.daemon()[0])
    assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="x").stdout == "x"
    kill_and_wait(place.daemon()[0])
    client.done("StopVm", "box")
    assert client.vms()["box"]["ExitReason"] == "stopped"


def test_a_stopped_helper_does_not_hold_up_a_cancel(place, client):
    """A helper that answers nobody: the start can be cancelled, and its undo is done when the helper goes on."""
    client.made(name="box")
    helper = place.helper()[0]
    os.kill(helper, signal.SIGSTOP)
    job = client.act("StartVm", "box")
    client.until_step(job, "network")
    client.call(job, "org.banger.Job1", "Cancel", "(a{sv})", {})
    os.kill(helper, signal.SIGCONT)
    client.fails("Cancelled", lambda: client.wait(job))
    assert client.vms()["box"]["State"] == "stopped"
    works(place, client)


def test_a_hanging_vmm_is_stopped_by_kill(place, client):
    """A VMM that answers nobody: a kill overtakes the graceful stop that waits for it."""
    client.made(name="box", start=True)
    os.kill(place.vmms()[0], signal.SIGSTOP)
    graceful = Client(place.instance)
    stop = graceful.act("StopVm", "box", **{"timeout-ms": 100000})
    client.until_step(stop, "shutdown")
    client.done("KillVm", "box")
    graceful.wait(stop)
    assert client.vms()["box"]["State"] == "stopped"
    graceful.leave()


def test_sessions_with_a_hanging_vmm_hold_up_nobody(place, client):
    client.made(name="box", start=True)
    vmm = place.vmms()[0]
    os.kill(vmm, signal.SIGSTOP)
    other = Client(place.instance)
    other.send(**other.request("/org/banger/Manager1", "org.banger.Manager1", "OpenSession", "(sa{sv})", "box", {}))
    assert client.vms()["box"]["State"] == "running"
    assert ended(client, other) == error_of("Timeout")
    os.kill(vmm, signal.SIGCONT)
    other.leave()


def test_the_session_bus_ends():
    """All clients are gone then: the daemon ends, and tied VMs with it. The others go on until the instance is stopped."""
    with Instance() as instance:
        place = Place(instance)
        place.client.made(name="kept", start=True)
        place.client.made(name="tied", start=True, tied=True, ephemeral=True)
        daemon = place.daemon()[0]
        kill_and_wait(instance.pid("session-bus"))
        wait_ended(daemon)
        until(lambda: len(place.vmms()) == 1, "the tied VM has ended")
        place.client.leave()
        instance.stop()
        instance.start()
        client = Client(instance)
        until(lambda: client.vms()["kept"]["State"] == "stopped", "the VM is found ended")
        assert set(client.vms()) == {"kept"}
        assert client.vms()["kept"]["ExitReason"] == "crashed"
        client.leave()


# --- what is on the disk


def restart(place, client, between=lambda: None):
    kill_and_wait(place.daemon()[0], signal.SIGTERM)
    between()
    client.vms()


def test_what_nobody_knows_is_removed(place, client):
    client.vms()
    place.instance.exec("sh", "-c", "mkdir -p ~/.local/share/banger/vms/abcdefabcdef && touch ~/.local/share/banger/vms/abcdefabcdef/work.ext4")
    bridge = [name for name in place.instance.links() if name.startswith("br-fc-")][0]
    place.instance.helper("Network", "CreateTap", "(ssa{sv})", ["abcdefabcdef", bridge, {}])
    restart(place, client)
    until(lambda: not place.folders(), "the folder is removed")
    until(lambda: len(place.instance.links()) == 2, "the tap is removed")


def test_a_damaged_database_is_put_aside_and_disks_are_kept(place, client):
    made = client.made(name="box", start=True)
    client.done("StopVm", "box")
    state = place.instance.home / ".local/state/banger"

    def damage():
        for path in state.glob("banger.db*"):
            path.write_bytes(b"not a database, by any means" * 400) if path.name == "banger.db" else path.unlink()

    restart(place, client, damage)
    assert client.vms() == {}
    aside = list(state.glob("banger.db.corrupt-*"))
    assert len(aside) == 1
    assert place.folders() == [made["id"]]  # kept: the database that knew it is not the one in use
    works(place, client)
    restart(place, client)
    assert place.folders() == [made["id"]]
    aside[0].unlink()
    restart(place, client)
    until(lambda: not place.folders(), "now the folder is removed")


def test_a_second_daemon_refuses(place, client):
    client.vms()
    result = place.instance.exec("banger", "daemon", check=False)
    assert result.returncode != 0 and "another banger daemon" in result.stderr
