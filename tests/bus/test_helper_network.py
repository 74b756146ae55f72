"""Bridges and taps: real ones."""
import json

import pytest

from helper_parts import BRIDGE, NETWORK, NULL, VM, VM2, error_of


def link(world, name):
    return json.loads(world.root(f"ip -d -j addr show dev {name}"))[0]


@pytest.fixture
def bridge(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    yield BRIDGE
    world.call("DeleteBridge", BRIDGE)


def test_ensure_bridge(world):
    forwarding = world.root("cat /proc/sys/net/ipv4/ip_forward")
    for _ in range(2):
        assert world.call("EnsureBridge", BRIDGE, NETWORK) == []
    made = link(world, BRIDGE)
    assert made["linkinfo"]["info_kind"] == "bridge" and "UP" in made["flags"]
    assert made["linkinfo"]["info_data"]["stp_state"] == 0 and made["linkinfo"]["info_data"]["forward_delay"] == 0
    assert [(a["family"], a["local"], a["prefixlen"]) for a in made["addr_info"]] == [("inet", "172.30.9.1", 24)]
    assert world.root(f"cat /proc/sys/net/ipv6/conf/{BRIDGE}/disable_ipv6").strip() == "1"
    assert world.root("cat /proc/sys/net/ipv4/ip_forward") == forwarding
    assert world.ledger()[f"bridge-{BRIDGE}.json"]["uid"] == 64001
    for _ in range(2):
        assert world.call("DeleteBridge", BRIDGE) == []


def test_a_bridge_that_was_lost_is_made_again(world, bridge):
    world.root(f"ip link delete {bridge}")
    world.call("EnsureBridge", bridge, NETWORK)
    assert "UP" in link(world, bridge)["flags"]


def test_a_bridge_keeps_its_address(world, bridge):
    error = world.refused("EnsureBridge", bridge, "172.30.10.1/24")
    assert error.name == error_of("FailedPrecondition") and "172.30.9.1/24" in error.message


@pytest.mark.parametrize("address", ["172.30.9.1", "172.30.9.1/33", "172.30.9.1/7", "8.8.8.8/24", "172.30.9.0/24",
                                     "172.30.9.255/24", "127.0.0.1/8", "fe80::1/64", "224.0.0.1/24", ""])
def test_bad_addresses(world, address):
    assert world.refused("EnsureBridge", BRIDGE, address).name == error_of("InvalidArgument")


def test_another_links_network(world):
    world.root("ip link add other0 type bridge && ip addr add 172.30.8.5/22 dev other0")
    try:
        error = world.refused("EnsureBridge", BRIDGE, NETWORK)
        assert error.name == error_of("FailedPrecondition") and "other0" in error.message and "hint: " in error.message
        assert BRIDGE not in world.instance.links()
    finally:
        world.root("ip link delete other0")


@pytest.mark.parametrize("kind", ["bridge", "tap"])
def test_a_link_that_banger_did_not_make(world, kind):
    world.root(f"ip tuntap add {BRIDGE} mode tap" if kind == "tap" else f"ip link add {BRIDGE} type {kind}")
    try:
        before = world.root(f"ip -d addr show dev {BRIDGE}")
        error = world.refused("EnsureBridge", BRIDGE, NETWORK)
        assert error.name == error_of("FailedPrecondition") and "did not make" in error.message
        assert world.call("DeleteBridge", BRIDGE) == []
        assert world.refused("CreateTap", VM, BRIDGE).name == error_of("NotFound")
        assert world.root(f"ip -d addr show dev {BRIDGE}").split("valid_lft")[0] == before.split("valid_lft")[0]
    finally:
        world.root(f"ip link delete {BRIDGE}")


def test_bridges_are_bounded(world):
    names = [f"br-fc-{n}" for n in range(5)]
    for n, name in enumerate(names[:4]):
        world.call("EnsureBridge", name, f"172.30.{20 + n}.1/24")
    error = world.refused("EnsureBridge", names[4], "172.30.30.1/24")
    assert error.name == error_of("FailedPrecondition") and "limit" in error.message
    world.call("EnsureBridge", names[4], "172.30.30.1/24", user="other")
    world.call("DeleteBridge", names[4], user="other")
    for name in names[:4]:
        world.call("DeleteBridge", name)


def test_create_tap(world, bridge):
    taps = {world.call("CreateTap", VM, bridge)[0] for _ in range(2)}
    assert len(taps) == 1
    tap = taps.pop()
    made = link(world, tap)
    assert made["master"] == bridge and "UP" in made["flags"]
    assert made["linkinfo"]["info_kind"] == "tun" and made["linkinfo"]["info_data"]["type"] == "tap"
    assert made["linkinfo"]["info_data"]["user"] == "banger-owner" and made["linkinfo"]["info_data"]["group"] == "banger-owner"
    assert made["linkinfo"]["info_data"]["persist"] is True and made["linkinfo"]["info_data"]["vnet_hdr"] is True
    assert made["linkinfo"]["info_slave_data"]["isolated"] is True
    assert made["addr_info"] == []
    error = world.refused("DeleteBridge", bridge)
    assert error.name == error_of("FailedPrecondition") and "1 tap" in error.message
    for _ in range(2):
        world.call("DeleteTap", VM)
    assert tap not in world.instance.links()


def test_a_tap_that_was_lost_is_made_again(world, bridge):
    tap = world.call("CreateTap", VM, bridge)[0]
    world.root(f"ip link delete {tap}")
    assert world.call("CreateTap", VM, bridge)[0] == tap and tap in world.instance.links()
    world.root(f"ip link delete {tap}")
    world.call("DeleteTap", VM)


def test_a_tap_wants_a_bridge_of_ones_own(world):
    assert world.refused("CreateTap", VM, "br-fc-none").name == error_of("NotFound")


def test_a_tap_stays_on_its_bridge(world, bridge):
    world.call("EnsureBridge", "br-fc-second", "172.30.40.1/24")
    world.call("CreateTap", VM, bridge)
    assert world.refused("CreateTap", VM, "br-fc-second").name == error_of("FailedPrecondition")
    world.call("DeleteTap", VM)
    world.call("DeleteBridge", "br-fc-second")


def test_a_tap_in_use_stays(world, bridge):
    tap = world.call("CreateTap", VM, bridge)[0]
    world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    assert world.refused("DeleteTap", VM).name == error_of("FailedPrecondition")
    assert world.call("CreateTap", VM, bridge) == [tap]
    assert "LOWER_UP" in world.root(f"ip link show dev {tap}")  # the VMM holds it
    world.call("Kill", VM)
    world.call("DeleteTap", VM)
    world.call("Cleanup", VM)


def test_two_taps_at_once(world, bridge):
    answers, _ = world.burst(8, "CreateTap", [VM, bridge])
    assert answers == [""] * 8
    world.call("CreateTap", VM2, bridge)
    assert len([name for name in world.instance.links() if name.startswith("btap-")]) == 2
    answers, _ = world.burst(8, "DeleteTap", [VM])
    assert answers == [""] * 8
    world.call("Cleanup", VM2)
