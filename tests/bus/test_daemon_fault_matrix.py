"""Each step of each operation × each fault: the daemon, the helper or the VMM is killed while the step is under way, or the step
itself fails. Afterwards the VM's state is a settled one, it can be started, stopped and deleted, and nothing is left. The table is
printed at the end.

Steps that can be held (by a helper or a VMM that is stopped, by a guest that is never ready) are; the others are caught in passing:
the fault comes as soon as the job says that the step runs, so it may fall into the next one.
"""
import os
import signal
import time

import pytest
from banger_test import BusError, Instance, kill_and_wait, until
from daemon_parts import Place, error_of, variants

LIMIT = 60  # seconds of trying to catch a step that is not held
FAULTS = ["daemon", "helper", "vmm", "fails"]
SETTLED = ["created", "running", "paused", "stopped", "failed"]
ROWS = {}  # (operation, step) → {fault: outcome}


@pytest.fixture(scope="module")
def place(request):
    with Instance() as instance:
        place = Place(instance)
        yield place
        place.client.leave()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{'operation':10} {'step':10} " + " ".join(f"{fault:16}" for fault in FAULTS))
        for (operation, step), outcomes in ROWS.items():
            print(f"{operation:10} {step:10} " + " ".join(f"{outcomes.get(fault, '–'):16}" for fault in FAULTS))


def victim(place, fault):
    found = {"daemon": place.daemon, "helper": place.helper, "vmm": place.vmms}[fault]()
    return found[0] if found else None


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)


class Held:
    """What a step waits for: stopped before the operation, let go after the fault."""

    def __init__(self, place, what):
        self.pid = victim(place, what) if what else None
        if self.pid:
            stop_process(self.pid)

    def let_go(self):
        try:
            if self.pid:
                os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass  # it was the victim


def catch(client, job, step):
    """True while the job is at the step; False when it went by unseen."""
    while True:
        state = client.job(job)
        rows = state["Steps"]
        if any(row[0] == step and row[1] == "running" for row in rows):
            return True
        if state["State"] != "running":
            return False


def settled(client):
    """Wait does not answer with what a new daemon has not looked at yet."""
    try:
        return client.manager("WaitVm", "(sa{sv})", "box", variants({"until": ("as", SETTLED), "timeout-ms": 60000}))[0]["state"]
    except BusError as error:
        assert error.name == error_of("NotFound"), error
        return "gone"


def all_well(place, client, operation):
    """The state is true, and a whole further life is possible."""
    # A VMM's death is told by an event of its own, which may come after the operation's end.
    state = until(lambda: (now := settled(client)) and len(place.vmms()) == (now in ("running", "paused")) and now,
                  lambda: f"the state fits the VMMs; {settled(client)}, {place.vmms()}")
    if state in ("running", "paused"):
        if state == "paused":
            client.done("ResumeVm", "box")
        assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="x").stdout == "x"
    if state == "gone":
        assert operation == "delete"
    else:
        client.done("DeleteVm", "box", force=True)
    client.made(name="after", start=True)
    client.done("StopVm", "after")
    place.clear()
    place.check_nothing_left()
    return state


def begin(client, operation):
    """Brings the VM there, and returns what begins the operation."""
    mode = {"null-mode": "never-ready"} if operation == "start!" else {}
    client.made(name="box", start=operation not in ("start", "start!"), **mode)
    if operation == "resume":
        client.done("PauseVm", "box")
    member, options = {
        "start": ("StartVm", {}), "start!": ("StartVm", {}), "stop": ("StopVm", {}), "kill": ("KillVm", {}),
        "restart": ("RestartVm", {}), "pause": ("PauseVm", {}), "resume": ("ResumeVm", {}), "set": ("SetVm", {"nat": False}),
        "delete": ("DeleteVm", {"force": True})}[operation]
    return lambda: client.act(member, "box", **options)


# operation, step, who is stopped to hold it (None: caught in passing, "": held by itself), faults
CASES = [
    ("start", "network", "helper", ["daemon", "helper"]),
    ("start", "launch", None, ["daemon", "helper"]),  # its VMM is there when the step has ended
    ("start", "configure", None, ["daemon", "helper", "vmm"]),
    ("start", "boot", None, ["daemon", "helper", "vmm"]),
    ("start!", "ready", "", ["daemon", "helper", "vmm"]),
    ("stop", "shutdown", "vmm", ["daemon", "helper", "vmm"]),
    ("kill", "kill", None, ["daemon", "helper"]),
    ("restart", "shutdown", "vmm", ["daemon", "helper", "vmm"]),
    ("restart", "cleanup", "helper", ["daemon", "helper"]),
    ("restart", "launch", None, ["daemon", "helper"]),
    ("pause", "pause", "vmm", ["daemon", "helper", "vmm"]),
    ("resume", "resume", "vmm", ["daemon", "helper", "vmm"]),
    ("set", "nat", "helper", ["daemon", "helper"]),
    ("delete", "kill", None, ["daemon", "helper"]),
]


def attempt(place, client, operation, step, hold, fault):
    """One try; None when the step went by unseen."""
    act = begin(client, operation)
    held = Held(place, hold)
    job = act()
    caught = catch(client, job, step)
    pid = victim(place, fault) if caught else None
    if pid:
        try:
            kill_and_wait(pid)
        except ProcessLookupError:
            pid = None  # it has ended meanwhile
    held.let_go()
    if operation == "start!" and fault == "helper":
        client.call(job, "org.banger.Job1", "Cancel", "(a{sv})", {})  # nothing else would end it for minutes
    try:
        client.wait(job)
    except BusError:
        pass  # cancelled, failed, or gone with the daemon: what counts is how it is afterwards
    state = all_well(place, client, operation)
    return f"clean: {state}" if pid else None


@pytest.fixture(autouse=True)
def clean(place):
    """What one case has left is not the next one's trouble."""
    place.clear()


@pytest.mark.parametrize("operation, step, hold, fault", [
    pytest.param(operation, step, hold, fault, id=f"{operation}-{step}-{fault}")
    for operation, step, hold, faults in CASES for fault in faults])
def test_a_process_is_killed(place, operation, step, hold, fault):
    row = ROWS.setdefault((operation.rstrip("!"), step), {})
    row[fault] = "NOT CLEAN"
    end = time.monotonic() + LIMIT
    outcome = None
    while outcome is None and time.monotonic() < end:
        outcome = attempt(place, place.client, operation, step, hold, fault)
    row[fault] = outcome or "not caught"
    assert outcome, f"step {step} of {operation} went by unseen for {LIMIT} s"


# operation, step, what makes the step fail, the state afterwards
def folder_in_the_way(place, client):
    old = f".local/share/banger/vms/{client.vms()['box']['Id']}/console.log.old"
    place.instance.exec("sh", "-c", f"cd && mkdir -p {old}/x")


@pytest.mark.parametrize("step, options, spoil, state", [
    ("launch", {}, folder_in_the_way, "failed"),
    ("boot", {"null-mode": "die-at-start"}, None, "failed"),
    ("ready", {"null-mode": "never-ready"}, None, "failed")])
def test_a_step_of_a_start_fails(place, step, options, spoil, state):
    client = place.client
    row = ROWS.setdefault(("start", step), {})
    row["fails"] = "NOT CLEAN"
    client.made(name="box", **options)
    if spoil:
        client.done("StartVm", "box")
        client.done("StopVm", "box")
        spoil(place, client)
    with pytest.raises(BusError) as failure:
        client.done("StartVm", "box", **{"ready-timeout-ms": 300})
    assert f"step: {step}" in failure.value.message
    assert client.vms()["box"]["State"] == state
    row["fails"] = f"clean: {all_well(place, client, 'start')}"


def test_a_shutdown_fails(place):
    client = place.client
    row = ROWS.setdefault(("stop", "shutdown"), {})
    row["fails"] = "NOT CLEAN"
    client.made(name="box", start=True)
    stop_process(place.vmms()[0])
    client.done("StopVm", "box", **{"timeout-ms": 200})
    assert client.vms()["box"]["ExitReason"] == "killed"
    row["fails"] = f"clean: {all_well(place, client, 'stop')}"
