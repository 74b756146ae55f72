"""Names of VMs: what the helper tells systemd-resolved, for which a stand-in listens here. (The system tier has the real one.)"""
import contextlib
import json

import pytest
from banger_test import until
from helper_parts import BRIDGE, NETWORK, error_of, timed

HOST = NETWORK.split("/")[0]

# Stands in for systemd-resolved: writes down what it is told; as /run/resolved-mode says, it answers, refuses one method, or hangs.
RESOLVED = """
import json
from gi.repository import Gio, GLib
METHODS = {"SetLinkDNSEx": "ia(iayqs)", "SetLinkDomains": "ia(sb)", "SetLinkDefaultRoute": "ib", "SetLinkLLMNR": "is",
           "SetLinkMulticastDNS": "is", "SetLinkDNSOverTLS": "is", "SetLinkDNSSEC": "is", "RevertLink": "i"}
def arguments(signature):
    kinds = [signature[0], signature[1:]] if len(signature) > 1 else [signature]
    return "".join(f'<arg type="{kind}" direction="in"/>' for kind in kinds)
XML = "<node><interface name='org.freedesktop.resolve1.Manager'>" + "".join(
    f"<method name='{name}'>{arguments(signature)}</method>" for name, signature in METHODS.items()) + "</interface></node>"
def call(bus, sender, path, interface, method, given, invocation):
    with open("/run/resolved-told", "a") as file:
        file.write(json.dumps([method, *given.unpack()]) + chr(10))
    mode = open("/run/resolved-mode").read().strip()
    if mode == "refuse " + method:
        invocation.return_dbus_error("org.freedesktop.resolve1.LinkBusy", "Link is managed.")
    elif mode != "hang":
        invocation.return_value(None)
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
bus.register_object("/org/freedesktop/resolve1", Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], call, None, None)
Gio.bus_own_name_on_connection(bus, "org.freedesktop.resolve1", 0, None, None)
GLib.MainLoop().run()
"""


class Resolved:
    def __init__(self, world):
        self.world = world

    def says(self, mode):
        self.world.root(f"echo {mode} > /run/resolved-mode")

    def told(self):
        """All that it was told since the last time."""
        text = self.world.root("cat /run/resolved-told 2>/dev/null; rm -f /run/resolved-told")
        return [json.loads(line) for line in text.splitlines()]


@contextlib.contextmanager
def resolved_stand_in(world):
    def there():
        names = world.instance.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames",
                                    bus="system")[0]
        return "org.freedesktop.resolve1" in names

    resolved = Resolved(world)
    resolved.told()
    resolved.says("yes")
    process = world.instance.popen("/usr/bin/python3", "-I", "-c", RESOLVED, user="root")
    try:
        until(there, "the stand-in for systemd-resolved is on the bus")
        yield resolved
    finally:
        process.terminate()
        process.wait(timeout=30)
        until(lambda: not there(), "the stand-in has left")


@pytest.fixture
def bridge(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    yield BRIDGE
    world.call("DeleteBridge", BRIDGE)


@pytest.fixture
def resolved(world):
    with resolved_stand_in(world) as stand_in:
        yield stand_in


def index(world):
    return int(world.root(f"cat /sys/class/net/{BRIDGE}/ifindex"))


def expected(link, server, port):
    return [["SetLinkDefaultRoute", link, False], ["SetLinkDomains", link, [["vm", True]]], ["SetLinkLLMNR", link, "no"],
            ["SetLinkMulticastDNS", link, "no"], ["SetLinkDNSOverTLS", link, "no"], ["SetLinkDNSSEC", link, "no"],
            ["SetLinkDNSEx", link, [[2, server, port, ""]]]]


def record(world):
    return world.ledger()[f"bridge-{BRIDGE}.json"].get("resolver")


@pytest.mark.parametrize("server,port", [("127.0.0.1", 1), ("127.9.8.7", 5353), (HOST, 65535)])
def test_what_it_is_told(world, bridge, resolved, server, port):
    link = index(world)
    assert world.call("SetResolver", bridge, server, port) == []
    assert resolved.told() == expected(link, [int(part) for part in server.split(".")], port)
    assert record(world) == {"server": server, "port": port, "step": "made"}
    for _ in range(2):
        assert world.call("ClearResolver", bridge) == []
    assert resolved.told() == [["RevertLink", link]]
    assert record(world) is None


def test_it_goes_with_the_bridge(world, bridge, resolved):
    link = index(world)
    world.call("SetResolver", bridge, HOST, 53)
    world.call("EnsureBridge", bridge, NETWORK)
    assert record(world)["step"] == "made"
    resolved.told()
    world.call("DeleteBridge", bridge)
    assert resolved.told() == [["RevertLink", link]]
    # The link was lost, and with it all that was known of it: the new one begins anew.
    world.call("EnsureBridge", bridge, NETWORK)
    world.call("SetResolver", bridge, HOST, 53)
    world.root(f"ip link delete {bridge}")
    world.call("EnsureBridge", bridge, NETWORK)
    assert record(world) is None


@pytest.mark.parametrize("server", ["8.8.8.8", "172.30.9.2", "0.0.0.0", "::1", "localhost", "", "127.0.0.1:53"])
def test_servers_elsewhere(world, bridge, resolved, server):
    assert world.refused("SetResolver", bridge, server, 53).name == error_of("InvalidArgument")
    assert resolved.told() == [] and record(world) is None


def test_no_port(world, bridge, resolved):
    assert world.refused("SetResolver", bridge, HOST, 0).name == error_of("InvalidArgument")
    assert resolved.told() == []


def test_bridges_of_others(world, bridge, resolved):
    for member, more in (("SetResolver", (HOST, 53)), ("ClearResolver", ())):
        assert world.refused(member, bridge, *more, user="other").name == error_of("NotAuthorized")
        assert world.refused(member, "eth0", *more).name == error_of("InvalidArgument")
    assert world.refused("SetResolver", "br-fc-none", "127.0.0.1", 53).name == error_of("NotFound")
    assert world.call("ClearResolver", "br-fc-none") == []
    assert resolved.told() == []


def test_polkit_is_asked_for_its_own_action(world, bridge, resolved):
    rule = "/etc/polkit-1/rules.d/10-test.rules"
    world.root(f"cat > {rule}", input='polkit.addRule(function(action) { if (action.id === "org.banger.helper.resolver") '
                                      'return polkit.Result.NO; });')
    try:
        until(lambda: polkit_refuses(world, bridge), "polkit has read the rule")
        assert world.refused("ClearResolver", bridge).name == error_of("NotAuthorized")
        world.call("EnsureBridge", bridge, NETWORK)
    finally:
        world.root(f"rm {rule}")
        until(lambda: not polkit_refuses(world, bridge), "polkit has forgotten the rule")
        world.call("ClearResolver", bridge)


def polkit_refuses(world, bridge):
    try:
        world.call("SetResolver", bridge, HOST, 53)
        return False
    except Exception as error:
        return error.name == error_of("NotAuthorized")


@pytest.mark.parametrize("method", ["SetLinkDefaultRoute", "SetLinkDNSEx"])
def test_a_refusal_is_taken_back(world, bridge, resolved, method):
    resolved.says(f"refuse {method}")
    error = world.refused("SetResolver", bridge, HOST, 53)
    assert method in error.message and "Link is managed" in error.message and "hint: " in error.message
    told = resolved.told()
    assert [entry[0] for entry in told[-2:]] == [method, "RevertLink"]
    assert record(world) is None


def test_no_resolver_at_all(world, bridge):
    error = world.refused("SetResolver", bridge, HOST, 53)
    assert error.name == error_of("Unavailable") and "systemd-resolved" in error.message and "hint: " in error.message
    assert record(world) is None
    assert world.call("ClearResolver", bridge) == []


def test_a_resolver_that_hangs(world, bridge, resolved):
    """The caller waits for a while; nobody else does."""
    resolved.says("hang")
    interface, member = "Network", "SetResolver"
    waiting = world.instance.popen("/usr/bin/busctl", "--system", "call", "org.banger.Helper1", "/org/banger/Helper1",
                                   f"org.banger.Helper1.{interface}", member, "ssqa{sv}", bridge, HOST, "53", "0", stderr=-1,
                                   text=True)
    until(resolved.told, "the stand-in was called")
    assert timed(lambda: world.call("List")) < 4
    _, complaint = waiting.communicate(timeout=60)
    assert waiting.returncode != 0 and "does not answer" in complaint
    assert record(world) is None
    resolved.says("yes")


@pytest.mark.parametrize("step", ["making", "removing"])
def test_killed_between_two_steps(world, bridge, resolved, step):
    link = index(world)
    world.call("SetResolver", bridge, HOST, 53)
    world.kill_helper()
    file = f"/run/banger/ledger/bridge-{BRIDGE}.json"
    content = json.loads(world.root(f"cat {file}"))
    content["resolver"]["step"] = step
    world.root(f"cat > {file}", input=json.dumps(content))
    resolved.told()
    world.call("List")
    until(lambda: record(world) is None, "it was taken back")
    assert resolved.told() == [["RevertLink", link]]
