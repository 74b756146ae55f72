"""The helper's life: activated, killed at any moment and mended, idle and gone, and called meanwhile."""
import json
import random
import threading
import time

import pytest
from banger_test import BusError, Instance, until
from helper_parts import BRIDGE, NETWORK, NULL, VM, VM2, World

LEDGER = "/run/banger/ledger"


def test_it_takes_no_arguments_and_no_other_user(world):
    result = world.instance.exec("banger", "helper", "--serve", user="root", check=False)
    assert result.returncode == 2 and "no arguments" in result.stderr
    result = world.instance.exec("banger", "helper", user="owner", check=False)
    assert result.returncode == 7 and "root" in result.stderr


def test_vmms_outlive_the_helper(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    world.call("CreateTap", VM, BRIDGE)
    _, pid, *_ = world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    facts = world.facts()
    world.kill_helper()
    assert world.facts() == facts and facts["pid"] == pid
    world.call("Signal", VM, "KILL")
    until(lambda: world.facts()["state"] == "exited", "it has exited")
    world.call("Launch", VM2, options=NULL)
    world.kill_helper()
    world.call("Cleanup", VM)
    world.call("Cleanup", VM2)
    world.call("DeleteBridge", BRIDGE)


def test_a_vmm_that_ends_while_there_is_no_helper(world):
    _, pid, *_ = world.call("Launch", VM, options=NULL)
    world.kill_helper()
    world.root(f"kill -9 {pid}")
    until(lambda: world.facts()["state"] == "exited", "it has exited")
    world.call("Cleanup", VM)


def test_a_pid_that_is_anothers_now_is_left_alone(world):
    world.call("Launch", VM, options=NULL)
    world.kill_helper()
    victim = world.owner("sleep 1000 > /dev/null 2>&1 & echo $!").strip()
    record = world.ledger()[f"64001-{VM}.json"]
    old = [record["vmm"][part]["pid"] for part in ("main", "monitor")]
    record["vmm"]["main"]["pid"] = record["vmm"]["monitor"]["pid"] = int(victim)  # with the start times of those that were
    world.instance.exec("sh", "-c", f"cat > {LEDGER}/64001-{VM}.json", user="root", input=json.dumps(record))
    assert world.facts()["state"] == "exited"
    world.call("Kill", VM)
    world.call("Cleanup", VM)
    assert world.root(f"kill -0 {victim} && echo lives") == "lives\n"
    for pid in (victim, *old):
        world.root(f"kill -9 {pid} 2>/dev/null || true")


# --- killed between the steps


def put(world, name, record):
    world.instance.exec("sh", "-c", f"umask 077; cat > {LEDGER}/{name}", user="root", input=json.dumps(record))


def test_half_made_bridges_are_removed(world):
    world.kill_helper()
    for step, name in (("making", "br-fc-a"), ("removing", "br-fc-b")):
        world.root(f"ip link add {name} type bridge")
        put(world, f"bridge-{name}.json", {"version": 1, "uid": 64001, "bridge": name, "address": NETWORK, "step": step})
    put(world, "bridge-br-fc-c.json", {"version": 1, "uid": 64001, "bridge": "br-fc-c", "address": NETWORK, "step": "making"})
    world.call("List")
    assert world.instance.links() == ["lo"] and world.ledger() == {}


def test_half_made_taps_are_removed(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    tap = world.call("CreateTap", VM, BRIDGE)[0]
    for step in ("making", "removing"):
        record = world.ledger()[f"64001-{VM}.json"]
        world.kill_helper()
        record["tap"]["step"] = step
        put(world, f"64001-{VM}.json", record)
        world.call("List")
        assert tap not in world.instance.links() and world.call("List") == [[]]
        world.call("CreateTap", VM, BRIDGE)
    world.kill_helper()
    world.root(f"rm {LEDGER}/64001-{VM}.json")  # nobody knows it any more
    world.call("List")
    assert tap not in world.instance.links()
    world.call("DeleteBridge", BRIDGE)


def test_half_made_jails_are_removed_with_what_runs_in_them(world):
    world.call("Launch", VM, options=NULL)
    for change in ({"jail": "making"}, {"jail": "removing"}, {"launching": True}, {"launching": True, "main": None}):
        record = world.ledger()[f"64001-{VM}.json"]
        world.kill_helper()
        record["jail"] = change.get("jail", "made")
        if change.get("launching"):
            record["vmm"]["state"] = "launching"
        if "main" in change:
            del record["vmm"]["main"]
        put(world, f"64001-{VM}.json", record)
        assert world.call("List") == [[]], change
        assert world.vmm_processes() == [] and world.root("ls /var/lib/banger/jails") == "", change
        world.call("Launch", VM, options=NULL)
    world.call("Cleanup", VM)


FILL = """
import os, sys
os.chdir(sys.argv[1])
for folder in range(60):
    os.mkdir(str(folder))
    for number in range(1000):
        os.mknod(f"{folder}/{number}")
"""


def test_others_are_served_while_a_vm_is_mended(world):
    """Its owner has filled the jail, whose removal takes a while."""
    world.call("Launch", VM, options=NULL)
    world.call("Kill", VM)
    record = world.ledger()[f"64001-{VM}.json"]
    world.kill_helper()
    put(world, f"64001-{VM}.json", {**record, "jail": "removing"})
    world.instance.exec("/usr/bin/python3", "-I", "-c", FILL, f"/var/lib/banger/jails/64001-{VM}/run", timeout=120)
    mended = []
    own = threading.Thread(target=lambda: mended.append(world.facts()["state"]))
    own.start()
    until(lambda: "removing a half-made jail" in world.log(), "the helper mends")
    assert world.call("List", user="other") == [[]]
    assert mended == [], "the VM's own call waits"
    own.join(timeout=60)
    assert mended == ["absent"] and world.call("List") == [[]]


def test_device_nodes_of_a_killed_helper_are_taken_back(world):
    """By who holds a descriptor of it, too: the next device of that number is another's."""
    world.kill_helper()
    world.root("mknod -m 600 /var/lib/banger/node-abc b 259 7; chown 1879112193 /var/lib/banger/node-abc")
    holder = world.instance.popen("/usr/bin/python3", "-I", "-c", """
import os, sys
node = os.open("/var/lib/banger/node-abc", os.O_PATH)
print("held", flush=True)
sys.stdin.readline()
status = os.fstat(node)
print(status.st_uid, oct(status.st_mode & 0o7777))
""", user="root", stdin=-1, stdout=-1)
    assert holder.stdout.readline() == b"held\n"
    world.call("List")
    assert "node-" not in world.root("ls /var/lib/banger")
    assert holder.communicate(b"\n", timeout=30)[0].decode().split() == ["0", "0o0"]


def test_a_corrupt_record_is_set_aside(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    world.call("CreateTap", VM, BRIDGE)
    world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    world.call("Launch", VM2, options=NULL)
    world.kill_helper()
    world.root(f"head -c 60 {LEDGER}/64001-{VM}.json > {LEDGER}/half; mv {LEDGER}/half {LEDGER}/64001-{VM}.json")
    assert world.call("List") == [[VM2]]
    assert len(world.vmm_processes()) == 2 and world.root("ls /var/lib/banger/jails").split() == [f"64001-{VM2}"]
    assert not [name for name in world.instance.links() if name.startswith("btap")]
    assert world.root(f"ls {LEDGER} | grep -c ^corrupt-").strip() == "1"
    world.root(f"rm {LEDGER}/corrupt-*")
    world.call("Cleanup", VM2)
    world.call("DeleteBridge", BRIDGE)


def test_killed_at_any_moment(world):
    """The helper is killed at random moments of a VM's life; what it then does is right, and nothing stays."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    options = {**NULL, "tap": ["b", True]}
    for _ in range(12):
        def live():
            for step in (("EnsureBridge", BRIDGE, NETWORK), ("CreateTap", VM, BRIDGE), ("Launch", VM), ("Cleanup", VM)):
                try:
                    world.call(*step, options=options if step[0] == "Launch" else {})
                except BusError:
                    return

        life = threading.Thread(target=live)
        life.start()
        time.sleep(chance.uniform(0.05, 1.2))  # a moment, not a wait
        if pid := world.helper_pid():
            world.root(f"kill -9 {pid} || true")
        life.join(timeout=60)
        state = world.facts()["state"]
        assert state in ("running", "exited", "absent")
        if state != "running":
            until(lambda: world.vmm_processes() == [], "no VMM runs", limit=10)
        world.call("Cleanup", VM)
        assert world.vmm_processes() == []
    world.call("DeleteBridge", BRIDGE)


def test_the_ledgers_folder(world):
    world.kill_helper()
    world.root(f"chmod 755 {LEDGER}")
    world.call("List")
    assert world.root(f"stat -c %a {LEDGER}").strip() == "700"
    world.kill_helper()
    world.root(f"rmdir {LEDGER}; mkdir /tmp/elsewhere; ln -s /tmp/elsewhere {LEDGER}")
    world.refused("List")
    world.root(f"rm {LEDGER}; rmdir /tmp/elsewhere; mkdir {LEDGER}; chown 64001 {LEDGER}")
    world.refused("List")
    world.root(f"rmdir {LEDGER}")
    world.call("List")


# --- idle


@pytest.fixture(scope="module")
def restless():
    with Instance(environment={"BANGER_IDLE_SECONDS": "0.2", "BANGER_LOG_LEVEL": "debug"}) as instance:
        yield World(instance)


def test_idle_and_back(restless):
    _, pid, *_ = restless.call("Launch", VM, options=NULL)
    for _ in range(3):
        until(lambda: restless.helper_pid() == 0, "the helper has left")
        assert restless.facts()["pid"] == pid
    restless.call("Cleanup", VM)
    restless.check()


def test_no_call_is_lost_when_it_leaves(restless):
    """Calls at ever other distances, so that many arrive just when the helper leaves."""
    script = """
import random, sys, time
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
for n in range(60):
    time.sleep(0.17 + 0.002 * (n % 30))
    bus.call_sync("org.banger.Helper1", "/org/banger/Helper1", "org.banger.Helper1.Machine", "List",
                  GLib.Variant("(a{sv})", ({},)), None, 0, 20000, None)
"""
    restless.instance.exec("/usr/bin/python3", "-I", "-c", script, timeout=120)
    assert restless.log().count("idle; leaving") > 5


def test_a_pending_call_keeps_it(restless):
    answers, _ = restless.burst(40, "Cleanup")
    assert set(answers) == {""}


def test_terminated(world):
    _, pid, *_ = world.call("Launch", VM, options=NULL)
    helper = world.helper_pid()
    world.root(f"kill -TERM {helper}; while kill -0 {helper} 2>/dev/null; do sleep 0.01; done")
    assert world.facts()["pid"] == pid
    world.call("Cleanup", VM)
