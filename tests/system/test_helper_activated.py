"""The helper as the buses and systemd start it: for whom, for how long, and what outlives it."""
import pytest
from banger_test import BusError

UNIT = "banger-helper.service"
VM, BRIDGE, NETWORK = "0123456789abcdef", "br-fc-test", "172.30.9.1/24"


def listed(machine, user):
    """The ids of the user's VMs that the helper knows."""
    return machine.call("Machine", "List", "(a{sv})", [{}], user=user)[0]


def main_pid(machine):
    return int(machine.run(["systemctl", "show", "-P", "MainPID", UNIT]).stdout)


def refusal(machine, user, interface="Machine", member="List", signature="(a{sv})", arguments=({},)):
    with pytest.raises(BusError) as refused:
        machine.call(interface, member, signature, arguments, user=user)
    return refused.value


@pytest.fixture
def impatient(installed):
    """The helper leaves a second after its last call."""
    folder = f"/etc/systemd/system/{UNIT}.d"
    installed.put("[Service]\nEnvironment=BANGER_IDLE_SECONDS=1\n", f"{folder}/impatient.conf")
    installed.run(f"systemctl daemon-reload && systemctl stop {UNIT}")
    yield installed
    installed.run(f"rm -r {folder} && systemctl daemon-reload")


def launch_null(machine):
    """A VMM of alice's that boots nothing, with its tap: its pid."""
    machine.call("Network", "EnsureBridge", "(ssa{sv})", [BRIDGE, NETWORK, {}])
    machine.call("Network", "CreateTap", "(ssa{sv})", [VM, BRIDGE, {}])
    return machine.call("Machine", "Launch", "(sa{sv})", [VM, {"vmm": ["s", "null"]}])[1]


@pytest.fixture
def null_vm(installed):
    """The same, gone after the test without a trace."""
    before = installed.trace()
    yield launch_null(installed)
    installed.call("Machine", "Cleanup", "(sa{sv})", [VM, {}])
    installed.call("Network", "DeleteBridge", "(sa{sv})", [BRIDGE, {}])
    assert installed.trace() == before


def test_a_stranger_does_not_even_start_it(installed):
    installed.run(["systemctl", "stop", UNIT])
    assert refusal(installed, "stranger").name == "org.freedesktop.DBus.Error.AccessDenied"
    assert main_pid(installed) == 0


def test_an_owners_call_starts_it_without_a_prompt(installed):
    installed.run(["systemctl", "stop", UNIT])
    told = installed.run("busctl call org.banger.Helper1 /org/banger/Helper1 org.banger.Helper1.Machine List 'a{sv}' 0", user="alice")
    assert told.stdout == "as 0\n"
    assert main_pid(installed) > 0
    assert installed.run(f"ps -o user= -p {main_pid(installed)}").stdout == "root\n"
    assert listed(installed, "bob") == []


def test_root_may_look_and_not_use_it(installed):
    """The helper acts for owners, and root is none."""
    assert refusal(installed, "root").name == "org.freedesktop.DBus.Error.AccessDenied"
    installed.run("busctl introspect org.banger.Helper1 /org/banger/Helper1 | grep -q org.banger.Helper1.Machine")


def test_nobody_else_may_own_its_name(installed):
    script = ("from gi.repository import Gio; bus = Gio.bus_get_sync(Gio.BusType.SYSTEM); print(bus.call_sync('org.freedesktop.DBus', "
              "'/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName', __import__('gi').repository.GLib.Variant('(su)', "
              "('org.banger.Helper1', 0)), None, 0, -1, None))")
    refused = installed.run(["python3", "-I", "-c", script], user="alice", check=False)
    assert refused.status != 0 and "AccessDenied" in refused.stderr


def test_it_leaves_when_idle_and_comes_back(impatient):
    assert listed(impatient, "alice") == []
    first = main_pid(impatient)
    impatient.until(f"systemctl is-active {UNIT} | grep -qx inactive", "the helper has left")
    assert impatient.run(["systemctl", "show", "-P", "Result", UNIT]).stdout == "success\n"
    assert listed(impatient, "alice") == []
    assert main_pid(impatient) not in (0, first)


def test_vms_outlive_a_helper_that_leaves(impatient, null_vm):
    impatient.until(f"systemctl is-active {UNIT} | grep -qx inactive", "the helper has left")
    impatient.run(["test", "-d", f"/proc/{null_vm}"])
    assert listed(impatient, "alice") == [VM]
    impatient.run(["test", "-d", f"/proc/{null_vm}"])


def test_vms_outlive_a_helper_that_is_killed(installed, null_vm):
    killed = main_pid(installed)
    installed.run(["kill", "-KILL", str(killed)])
    installed.until(f"[ $(systemctl show -P MainPID {UNIT}) != {killed} ]", "systemd has noticed")
    assert listed(installed, "alice") == [VM]
    installed.run(["test", "-d", f"/proc/{null_vm}"])
    assert main_pid(installed) not in (0, killed)
    installed.run(["systemctl", "reset-failed"])


def test_an_owner_sees_no_other_owners_vms(installed, null_vm):
    assert listed(installed, "bob") == []
    refused = refusal(installed, "bob", "Network", "DeleteBridge", "(sa{sv})", [BRIDGE, {}])
    assert refused.name in ("org.banger.Error.NotAuthorized", "org.banger.Error.NotFound")
    installed.run(["ls", f"/var/lib/banger/jails/1001-{VM}/run"], user="alice")
    assert installed.run(["ls", f"/var/lib/banger/jails/1001-{VM}/run"], user="bob", check=False).status != 0
    assert installed.run(["kill", str(null_vm)], user="bob", check=False).status != 0
