"""Waiting for the end of a VMM."""
import subprocess

import pytest
from banger_test import Instance, until
from helper_parts import NULL, VM, World, error_of

WAIT = ("from gi.repository import Gio, GLib; bus = Gio.bus_get_sync(Gio.BusType.SYSTEM); "
        "bus.call_sync('org.banger.Helper1', '/org/banger/Helper1', 'org.banger.Helper1.Machine', 'Wait', "
        f"GLib.Variant('(sa{{sv}})', ('{VM}', {{}})), None, 0, 600000, None)")


@pytest.fixture(scope="module")
def place():
    with Instance(environment={"BANGER_IDLE_SECONDS": "1", "BANGER_LOG_LEVEL": "debug"}) as instance:
        yield World(instance)


def waiter(world):
    return world.instance.popen("/usr/bin/python3", "-I", "-c", WAIT)


@pytest.fixture
def running(world):
    yield world.call("Launch", VM, options=NULL)[1]
    world.call("Cleanup", VM)


def test_nothing_to_wait_for(world):
    assert world.call("Wait", VM) == []
    world.call("Launch", VM, options=NULL)
    world.call("Kill", VM)
    assert world.call("Wait", VM) == []
    world.call("Cleanup", VM)


def test_it_answers_when_the_vmm_has_ended(world, running):
    waiting = [waiter(world) for _ in range(2)]
    with pytest.raises(subprocess.TimeoutExpired):
        waiting[0].wait(timeout=2)  # longer than an idle helper stays
    assert world.call("Wait", VM, user="other") == []  # which is another VM
    world.call("Signal", VM, "TERM")
    for process in waiting:
        assert process.wait(timeout=30) == 0


def test_a_caller_that_leaves_waits_no_more(world, running):
    process = waiter(world)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    process.kill()
    process.wait(timeout=30)
    until(lambda: "the caller has left the bus" in world.log(), "the wait is dropped")


def test_waits_are_bounded(world, running):
    world.instance.exec("/usr/bin/python3", "-I", "-c", MANY, timeout=60)


MANY = f"""
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
loop = GLib.MainLoop()
def answered(bus, result):
    try:
        bus.call_finish(result)
    except GLib.Error as error:
        assert Gio.DBusError.get_remote_error(error) == "{error_of('Busy')}", error
        loop.quit()
for _ in range(33):
    bus.call("org.banger.Helper1", "/org/banger/Helper1", "org.banger.Helper1.Machine", "Wait", GLib.Variant("(sa{{sv}})", ("{VM}", {{}})),
             None, 0, 60000, None, answered)
GLib.timeout_add_seconds(30, lambda: 1 / 0)
loop.run()
"""
