"""Random operations by several clients, against a model of what must come of each. Every client has VMs of its own, of which the
model knows all; one VM is everybody's, of which only this much is known: what may be answered. The seed is printed:
BANGER_MODEL_SEED=N repeats what each client does, BANGER_MODEL_OPERATIONS=N sets how much (default 2000)."""
import os
import random
import signal
import threading

import pytest
from banger_test import BusError, Instance, kill_and_wait, until
from daemon_parts import Client, Place, error_of, variants

CLIENTS = 4
OPERATIONS = int(os.environ.get("BANGER_MODEL_OPERATIONS", "2000"))
SEED = int(os.environ.get("BANGER_MODEL_SEED", random.SystemRandom().randrange(1 << 32)))
REST = ("created", "stopped", "failed")


class Model:
    """What one VM must be like."""

    def __init__(self, name):
        self.name = name
        self.forget()

    def forget(self):
        self.state, self.reason, self.vcpus, self.nat, self.protected = None, "", 2, True, False

    def seen(self):
        return None if self.state is None else {
            "State": self.state, "ExitReason": self.reason, "Vcpus": self.vcpus, "Nat": self.nat, "Protected": self.protected}

    def become(self, state, reason=""):
        self.state, self.reason = state, reason


# Each: the operation on the bus, and the error that the model expects of it (None: none) after changing the model.


def create(client, vm, _):
    if vm.state is None:
        vm.become("created")
        return None, lambda: client.made(name=vm.name)
    return "AlreadyExists", lambda: client.made(name=vm.name)


def start(client, vm, _):
    expected = "FailedPrecondition" if vm.state == "paused" else None
    if vm.state in REST:
        vm.become("running")
    return expected, lambda: client.done("StartVm", vm.name)


def stop(client, vm, _):
    if vm.state in ("running", "paused"):
        vm.become("stopped", "stopped")
    return None, lambda: client.done("StopVm", vm.name)


def kill(client, vm, _):
    if vm.state in ("running", "paused"):
        vm.become("stopped", "killed")
    return None, lambda: client.done("KillVm", vm.name)


def signalled(client, vm, _):
    if vm.state in REST:
        return "FailedPrecondition", lambda: client.done("KillVm", vm.name, signal="TERM")
    vm.become("stopped", "killed")

    def act():
        client.done("KillVm", vm.name, signal="TERM")
        client.manager("WaitVm", "(sa{sv})", vm.name, variants({"until": ("as", ["stopped"])}))
    return None, act


def restart(client, vm, _):
    vm.become("running")
    return None, lambda: client.done("RestartVm", vm.name)


def pause(client, vm, _):
    if vm.state in REST:
        return "FailedPrecondition", lambda: client.done("PauseVm", vm.name)
    vm.become("paused")
    return None, lambda: client.done("PauseVm", vm.name)


def resume(client, vm, _):
    if vm.state in REST:
        return "FailedPrecondition", lambda: client.done("ResumeVm", vm.name)
    vm.become("running")
    return None, lambda: client.done("ResumeVm", vm.name)


def crash(client, vm, _):
    """The VMM dies."""
    if vm.state in REST:
        return None, lambda: None
    vm.become("stopped", "crashed")

    def act():
        inside = client.vms()[vm.name]["Pid"]
        client.instance.exec("kill", "-9", str(inside), user="root")
        client.manager("WaitVm", "(sa{sv})", vm.name, variants({"until": ("as", ["stopped"])}))
    return None, act


def set_vcpus(client, vm, dice):
    wanted = dice.randint(1, 32)
    if vm.state in REST:
        vm.vcpus = wanted
        return None, lambda: client.done("SetVm", vm.name, vcpus=wanted)
    return "FailedPrecondition", lambda: client.done("SetVm", vm.name, vcpus=wanted)


def set_nat(client, vm, dice):
    vm.nat = dice.random() < 0.5
    return None, lambda wanted=vm.nat: client.done("SetVm", vm.name, nat=wanted)


def protect(client, vm, dice):
    vm.protected = dice.random() < 0.3
    return None, lambda wanted=vm.protected: client.done("SetVm", vm.name, protected=wanted)


def rename(client, vm, dice):
    old, new = vm.name, f"{vm.name[:2]}-{dice.randrange(1000)}"
    if vm.state not in REST and new != old:
        return "FailedPrecondition", lambda: client.manager("RenameVm", "(ssa{sv})", old, new, {})
    vm.name = new
    return None, lambda: client.manager("RenameVm", "(ssa{sv})", old, new, {})


def delete(client, vm, dice):
    force = dice.random() < 0.5
    if vm.protected or (vm.state not in REST and not force):
        return "FailedPrecondition", lambda: client.done("DeleteVm", vm.name, force=force)
    vm.forget()
    return None, lambda name=vm.name: client.done("DeleteVm", name, force=force)


def stats(client, vm, _):
    running = vm.state not in REST

    def act():
        facts = client.manager("VmStats", "(sa{sv})", vm.name, {})[0]
        assert ("cpu-usec" in facts) == running and facts["state"] == vm.state, facts
    return None, act


WEIGHTS = {create: 2, start: 6, stop: 3, kill: 3, signalled: 2, restart: 2, pause: 4, resume: 4, crash: 2, set_vcpus: 4,
           set_nat: 4, protect: 3, rename: 3, delete: 3, stats: 4}


def outcome_of(action):
    try:
        action()
        return None
    except BusError as error:
        return error.name.removeprefix(error_of(""))


class Player:
    """A client, what it does, and what it knows."""

    def __init__(self, instance, number, operations):
        self.client = Client(instance)
        self.dice = random.Random(SEED * CLIENTS + number)
        self.vms = [Model(f"{letter}{number}") for letter in "ab"]
        self.operations = operations
        self.story = []
        self.failure = None

    def run(self):
        try:
            for _ in range(self.operations):
                self.shared_step() if self.dice.random() < 0.1 else self.own_step()
        except Exception as error:  # noqa: BLE001: told by the test, with the story
            self.failure = error

    def own_step(self):
        vm = self.dice.choice(self.vms)
        step = create if vm.state is None else self.dice.choices(list(WEIGHTS), WEIGHTS.values())[0]
        before = f"{step.__name__} {vm.name} ({vm.state})"
        expected, action = step(self.client, vm, self.dice)
        self.story.append(before)
        outcome = outcome_of(action)
        assert outcome == expected, f"{before}: {outcome}, not {expected}"
        found = self.client.vms().get(vm.name)
        found = found and {key: found[key] for key in ("State", "ExitReason", "Vcpus", "Nat", "Protected")}
        assert found == vm.seen(), f"{before}: {found}, not {vm.seen()}"

    def shared_step(self):
        """Whatever the others do to it meanwhile."""
        member, options = self.dice.choice([
            ("StartVm", {}), ("StopVm", {}), ("KillVm", {}), ("RestartVm", {}), ("PauseVm", {}), ("ResumeVm", {}),
            ("DeleteVm", {"force": True}), ("SetVm", {"vcpus": 3})])
        self.story.append(f"{member} shared")
        if self.dice.random() < 0.3:
            outcome = outcome_of(lambda: self.client.made(name="shared"))
            assert outcome in (None, "AlreadyExists"), outcome
        outcome = outcome_of(lambda: self.client.done(member, "shared", **options))
        assert outcome in (None, "NotFound", "FailedPrecondition", "Cancelled", "Unavailable"), f"{member}: {outcome}"


@pytest.fixture
def place():
    with Instance() as instance:
        place = Place(instance)
        yield place
        place.client.leave()


def clear(place, players):
    for player in players:
        for vm in player.vms:
            if vm.protected:
                place.client.done("SetVm", vm.name, protected=False)
    place.clear()
    place.check_nothing_left()


def test_random_operations(place):
    print(f"BANGER_MODEL_SEED={SEED}")
    players = [Player(place.instance, number, OPERATIONS // CLIENTS) for number in range(CLIENTS)]
    threads = [threading.Thread(target=player.run) for player in players]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [player for player in players if player.failure]
    assert not failed, f"BANGER_MODEL_SEED={SEED}: {failed[0].failure!r} after {failed[0].story[-12:]}"
    until(lambda: all(vm["State"] in (*REST, "running", "paused") for vm in place.client.vms().values()), "all is settled")
    known = place.client.vms()
    running = [vm for vm in known.values() if vm["State"] in ("running", "paused")]
    until(lambda: len(place.vmms()) == len(running), "as many VMMs run as VMs")

    kill_and_wait(place.daemon()[0], signal.SIGKILL)  # what is written down is the same
    after = place.client.vms()
    keys = ("State", "ExitReason", "Vcpus", "Nat", "Protected", "Name", "Address")
    for name, vm in known.items():
        until(lambda name=name: place.client.vms()[name]["Pid"] == known[name]["Pid"], f"{name} is found again")
        assert {key: after[name][key] for key in keys} == {key: vm[key] for key in keys}
    clear(place, players)
    for player in players:
        player.client.leave()
