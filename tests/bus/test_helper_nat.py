"""What guests can send, and reach beyond the host: real packets, real rules."""
import contextlib
import json
import pathlib
import random
import threading
import time

import pytest
from banger_test import BusError, Instance, until
from helper_parts import ADDRESS, BRIDGE, NETWORK, NULL, VM, VM2, World, error_of
from network_parts import guest, mac_of, outside

HOST = NETWORK.split("/")[0]
ADDRESS2 = "172.30.9.3"
SERVER = ("203.0.113.2", 7)
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
FORWARD = "/proc/sys/net/ipv4/ip_forward"


@pytest.fixture(scope="module")
def place():
    with Instance(environment={"BANGER_IDLE_SECONDS": "600"}) as instance:
        instance.exec("sh", "-c", f"echo 0 > {FORWARD}", user="root")
        yield World(instance)


@pytest.fixture
def world(place):
    yield place
    place.check()
    assert forwarding(place) == "0"


@pytest.fixture
def bridge(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    yield BRIDGE
    world.call("DeleteBridge", BRIDGE)


def forwarding(world):
    return world.root(f"cat {FORWARD}").strip()


def rules(world):
    return world.root("nft list ruleset")


def elements(world, family, name):
    listed = json.loads(world.root(f"nft -j list set {family} banger {name}"))["nftables"]
    return next(entry["set"] for entry in listed if "set" in entry).get("elem", [])


@contextlib.contextmanager
def vm(world, name=VM, address=ADDRESS, on=True, isolated=True, **more):
    """A VM with a guest at its tap."""
    tap = world.call("CreateTap", name, BRIDGE, options={"isolated": ["b", isolated]})[0]
    try:
        world.call("SetNat", name, address, on)
        with guest(world, tap, address, HOST, **more) as node:
            yield node
    finally:
        world.call("Cleanup", name)


def test_the_way_out_and_back(world, bridge):
    with outside(world) as internet, vm(world) as node:
        assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
        assert internet.wait("hello") == [["hello", "203.0.113.1"]]
        assert forwarding(world) == "1"


def test_nothing_begins_outside(world, bridge):
    with outside(world) as internet, vm(world) as node:
        node.listen(9)
        internet.run("ip route add 172.30.9.0/24 via 203.0.113.1")
        internet.send((ADDRESS, 9), "knock")
        assert node.ask(SERVER, "marker") == "seen from 203.0.113.1"  # what came before it has passed, or never will
        world.root(f"echo here | timeout 20 /usr/bin/python3 -c 'import socket; "
                   f"socket.socket(2, 2).sendto(b\"here\", (\"{ADDRESS}\", 9))'")
        assert node.wait("here") == [["here", HOST]]


def test_without_nat_there_is_the_host_and_nothing_else(world, bridge):
    with outside(world), vm(world, VM2, ADDRESS2), vm(world, on=False) as node:
        assert forwarding(world) == "1"  # for the other VM
        assert node.ask((HOST, 9), "is it there") == "ECONNREFUSED"
        assert node.ask(SERVER, "hello") == "EHOSTUNREACH"
        world.call("SetNat", VM, ADDRESS, True)
        assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
        world.call("SetNat", VM, ADDRESS, False)
        assert node.ask(SERVER, "hello") == "EHOSTUNREACH"


def test_where_iptables_drops_what_is_forwarded(world, bridge):
    """As Docker sets it; the rules of others there keep their place and effect."""
    before = world.root("iptables -P FORWARD DROP && iptables -N DOCKER-USER && iptables -A FORWARD -j DOCKER-USER && "
                        "iptables -A DOCKER-USER -d 203.0.113.3 -j REJECT && iptables -S")
    try:
        with outside(world) as internet, vm(world) as node:
            internet.run("ip addr add 203.0.113.3/24 dev eth0")
            assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
            assert node.ask(("203.0.113.3", 7), "no") == "ECONNREFUSED"
            now = world.root("iptables -S")  # iptables can still read its table
            assert set(before.splitlines()) < set(now.splitlines()) and f"-A FORWARD -i {bridge} " in now
        world.call("DeleteBridge", bridge)
        assert world.root("iptables -S") == before
    finally:
        world.root("nft delete table ip filter")


def test_a_policy_that_comes_later(world, bridge):
    with outside(world), vm(world) as node:
        assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
        world.root("iptables -P FORWARD DROP")
        world.call("SetNat", VM, ADDRESS, True)
        assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
        world.root("iptables -F FORWARD")  # as a reload of somebody's rules does
        world.kill_helper()
        world.call("List")
        assert node.ask(SERVER, "hello") == "seen from 203.0.113.1"
    world.call("DeleteBridge", bridge)
    assert "banger" not in world.root("iptables -S")
    world.root("nft delete table ip filter")


def test_a_guest_sends_from_its_own_address_only(world, bridge):
    with outside(world) as internet, vm(world) as node:
        # Another address of the network, one of elsewhere, one that is another guest's.
        for n, address in enumerate(["172.30.9.77", "198.51.100.9", HOST]):
            node.run(f"ip addr add {address}/32 dev eth0")
            node.send(SERVER, f"spoof {n}", address)
            node.run(f"ip addr del {address}/32 dev eth0")
        assert node.ask(SERVER, "mine") == "seen from 203.0.113.1"
        assert internet.wait("mine") == [["mine", "203.0.113.1"]]


def test_a_guest_speaks_with_its_own_mac_only(world, bridge):
    with outside(world) as internet, vm(world) as node:
        assert node.ask(SERVER, "one") == "seen from 203.0.113.1"
        gateway = node.run(f"ip neigh show {HOST}").split()[4]
        node.run(f"ip neigh replace {HOST} lladdr {gateway} dev eth0 && ip link set eth0 address 06:00:00:00:00:01")
        node.send(SERVER, "other mac")
        node.run(f"ip link set eth0 address {mac_of(ADDRESS)}")
        assert node.ask(SERVER, "two") == "seen from 203.0.113.1"
        assert [text for text, _ in internet.wait("two")] == ["one", "two"]


def test_a_guest_claims_no_other_address(world, bridge):
    """ARP: what the host knows of a neighbour is not what another guest says."""
    with vm(world) as node:
        node.run(f"ip addr add {ADDRESS2}/24 dev eth0")
        # Announcements of both addresses, as often as it takes; the host learns of those that it hears only.
        world.root(f"echo 1 > /proc/sys/net/ipv4/conf/{BRIDGE}/arp_accept")

        def host_knows():
            node.run(f"/usr/bin/python3 -c '{ANNOUNCE}' {ADDRESS2} && /usr/bin/python3 -c '{ANNOUNCE}' {ADDRESS}")
            return ADDRESS in world.root(f"ip neigh show dev {BRIDGE}")
        until(host_knows, "the host has heard an announcement")
        assert ADDRESS2 not in world.root(f"ip neigh show dev {BRIDGE}")


ANNOUNCE = """
import socket, sys
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth0", 0x0806))
mac = link.getsockname()[4]
ip = socket.inet_aton(sys.argv[1])
link.send(b"\\xff" * 6 + mac + bytes.fromhex("0806" "0001080006040001") + mac + ip + bytes(6) + ip)
""".strip()


def test_a_tap_is_silent_until_its_guest_is_known(world, bridge):
    tap = world.call("CreateTap", VM, bridge)[0]
    with guest(world, tap, ADDRESS, HOST) as node:
        node.run(f"ip neigh replace {HOST} lladdr {world.root(f'cat /sys/class/net/{BRIDGE}/address').strip()} dev eth0")
        with outside(world) as internet:
            node.send(SERVER, "early")
            world.call("SetNat", VM, ADDRESS, True)
            assert node.ask(SERVER, "now") == "seen from 203.0.113.1"
            assert [text for text, _ in internet.wait("now")] == ["now"]
    world.call("Cleanup", VM)


@pytest.mark.parametrize("one,other,meet", [(True, True, False), (True, False, False), (False, True, False), (False, False, True)])
def test_isolation(world, bridge, one, other, meet):
    """Guests meet only where both asked for it: by their bridge, and by way of the host."""
    with outside(world), vm(world, isolated=one) as a, vm(world, VM2, ADDRESS2, isolated=other) as b:
        b.listen(9)
        a.run(f"ip neigh replace {ADDRESS2} lladdr {mac_of(ADDRESS2)} dev eth0")
        a.send((ADDRESS2, 9), "by the bridge")
        a.run(f"ip route add {ADDRESS2}/32 via {HOST}")
        a.send((ADDRESS2, 9), "by the host")
        assert a.ask(SERVER, "marker") == "seen from 203.0.113.1"
        if meet:
            b.wait("by the bridge")
            b.wait("by the host")
        world.root(f"/usr/bin/python3 -c 'import socket; socket.socket(2, 2).sendto(b\"last\", (\"{ADDRESS2}\", 9))'")
        said = [text for text, _ in b.wait("last")]
        assert sorted(said) == (["by the bridge", "by the host", "last"] if meet else ["last"])


def test_a_tap_changes_its_isolation_at_rest_only(world, bridge):
    tap = world.call("CreateTap", VM, bridge)[0]
    world.call("SetNat", VM, ADDRESS, False)
    assert elements(world, "bridge", "open") == []
    world.call("CreateTap", VM, bridge, options={"isolated": ["b", False]})
    assert elements(world, "bridge", "open") == [tap] and elements(world, "ip", "open") == [ADDRESS]
    assert not json.loads(world.root(f"ip -d -j link show dev {tap}"))[0]["linkinfo"]["info_slave_data"]["isolated"]
    world.call("Launch", VM, options={**NULL, "tap": ["b", True]})
    assert world.refused("CreateTap", VM, bridge).name == error_of("FailedPrecondition")
    world.call("Kill", VM)
    world.call("CreateTap", VM, bridge)
    assert elements(world, "bridge", "open") == []
    assert json.loads(world.root(f"ip -d -j link show dev {tap}"))[0]["linkinfo"]["info_slave_data"]["isolated"]
    world.call("Cleanup", VM)


def test_bridges_do_not_meet(world, bridge):
    """Nor do owners."""
    world.call("EnsureBridge", "br-fc-other", "172.30.10.1/24", user="other")
    tap = world.call("CreateTap", VM, "br-fc-other", user="other", options={"isolated": ["b", False]})[0]
    world.call("SetNat", VM, "172.30.10.2", True, user="other")
    with guest(world, tap, "172.30.10.2", "172.30.10.1") as theirs, vm(world, isolated=False) as ours:
        theirs.listen(9)
        ours.send(("172.30.10.2", 9), "hello")
        assert ours.ask((HOST, 9), "is it there") == "ECONNREFUSED"
        world.root("/usr/bin/python3 -c 'import socket; socket.socket(2, 2).sendto(b\"last\", (\"172.30.10.2\", 9))'")
        assert [text for text, _ in theirs.wait("last")] == ["last"]
    world.call("Cleanup", VM, user="other")
    world.call("DeleteBridge", "br-fc-other", user="other")


@pytest.mark.parametrize("address", ["172.30.10.2", HOST, "172.30.9.0", "172.30.9.255", "8.8.8.8", "127.0.0.1", "0.0.0.0"])
def test_addresses_that_are_no_guests(world, bridge, address):
    world.call("CreateTap", VM, bridge)
    before = rules(world)
    error = world.refused("SetNat", VM, address, True)
    assert error.name == error_of("InvalidArgument") and "172.30.9.1/24" in error.message
    assert rules(world) == before and forwarding(world) == "0" and "nat" not in world.ledger()[f"64001-{VM}.json"]
    world.call("Cleanup", VM)


@pytest.mark.parametrize("address", ["", "172.30.9", "172.30.9.2/24", "172.30.9.02", "fe80::1", "172.30.9.2; flush ruleset", "a" * 300])
def test_addresses_that_are_none(world, address):
    assert world.refused("SetNat", VM, address, True).name == error_of("InvalidArgument")


def test_nat_wants_a_tap(world, bridge):
    assert world.refused("SetNat", VM, ADDRESS, True).name == error_of("FailedPrecondition")
    world.call("CreateTap", VM, bridge)
    # Another owner's VM of that id is another VM, and has none.
    assert world.refused("SetNat", VM, ADDRESS, True, user="other").name == error_of("FailedPrecondition")
    world.call("SetNat", VM, ADDRESS, True)
    world.call("DeleteTap", VM)
    assert elements(world, "bridge", "guests") == [] and forwarding(world) == "0"


def test_an_address_is_one_vms(world, bridge):
    for name in (VM, VM2):
        world.call("CreateTap", name, bridge)
    world.call("SetNat", VM, ADDRESS, False)
    for on in (True, False):
        assert world.refused("SetNat", VM2, ADDRESS, on).name == error_of("AlreadyExists")
    world.call("SetNat", VM, ADDRESS2, True)  # it takes another, and its old one is free
    world.call("SetNat", VM2, ADDRESS, True)
    assert sorted(elements(world, "ip", "nat")) == [ADDRESS, ADDRESS2]
    assert len(elements(world, "bridge", "guests")) == 2
    world.call("Cleanup", VM)
    assert elements(world, "ip", "nat") == [ADDRESS]
    world.call("Cleanup", VM2)


def test_idempotent_and_side_by_side(world, bridge):
    names = [f"{n:012d}" for n in range(6)]
    for name in names:
        world.call("CreateTap", name, bridge)
    answers, _ = world.burst(6, "SetNat", [names[0], ADDRESS, True])
    assert answers == [""] * 6
    for n, name in enumerate(names):
        world.call("SetNat", name, f"172.30.9.{n + 10}", n % 2 == 0)
    assert len(elements(world, "ip", "nat")) == 3 and len(elements(world, "bridge", "guests")) == 6
    for name in names:
        world.call("Cleanup", name)


def test_forwarding_that_was_on_stays_on(world, bridge):
    world.root(f"echo 1 > {FORWARD}")
    with vm(world):
        assert "forwarding.json" not in world.ledger()
    assert forwarding(world) == "1"
    world.root(f"echo 0 > {FORWARD}")


def test_forwarding_that_others_need_stays_on(world, bridge):
    world.root("iptables -t nat -A POSTROUTING -s 10.99.0.0/16 -j MASQUERADE")
    with vm(world):
        assert world.ledger()["forwarding.json"]["step"] == "made"
    assert forwarding(world) == "1" and "forwarding.json" not in world.ledger()
    world.root(f"nft delete table ip nat; echo 0 > {FORWARD}")


def test_rules_that_were_lost_come_back(world, bridge):
    with outside(world), vm(world) as node:
        before = rules(world)
        world.root("nft flush ruleset")  # as a restart of the nftables service does
        world.kill_helper()
        world.call("List")
        assert rules(world) == before and node.ask(SERVER, "hello") == "seen from 203.0.113.1"
        world.root("nft delete rule ip banger postrouting handle $(nft -a list chain ip banger postrouting | sed -n 's/.*masq.*handle //p')")
        world.root("nft add element ip banger nat { 172.30.9.99 }")
        world.call("SetNat", VM, ADDRESS, True)
        assert rules(world) == before
        # Elements that nobody knows, and forms that this program does not write.
        world.root("nft add element bridge banger guests '{ \"btap-0000000000\" . 06:00:ac:1e:09:63 . 172.30.9.99 }'")
        world.call("EnsureBridge", BRIDGE, NETWORK)
        assert rules(world) == before


STEPS = [("making", True), ("making", False), ("removing", True)]


@pytest.mark.parametrize("step,on", STEPS)
def test_killed_between_any_two_steps(world, bridge, step, on):
    """The ledger as it stands before an act, the host before and after it: the next helper undoes it."""
    tap = world.call("CreateTap", VM, bridge)[0]
    clean = rules(world)
    for acted in (False, True):
        if acted:
            world.call("SetNat", VM, ADDRESS, on)
        world.kill_helper()
        file = f"/run/banger/ledger/64001-{VM}.json"
        record = json.loads(world.root(f"cat {file}"))
        record["nat"] = {"address": ADDRESS, "on": on, "step": step}
        world.root(f"cat > {file}", input=json.dumps(record))
        if on:
            forwarding_step = "removing" if step == "removing" else "making"
            world.root("cat > /run/banger/ledger/forwarding.json", input=json.dumps({"version": 1, "step": forwarding_step}))
        world.call("List")
        assert rules(world) == clean and forwarding(world) == "0" and "forwarding.json" not in world.ledger()
        assert "nat" not in world.ledger()[f"64001-{VM}.json"] and tap in world.instance.links()
    world.call("Cleanup", VM)


def test_killed_at_any_moment(world, bridge):
    """What is there after the next start is what the ledger says, to the last element."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(8):
        def live():
            for step in (("CreateTap", VM, bridge), ("SetNat", VM, ADDRESS, True), ("SetNat", VM, ADDRESS, False),
                         ("SetNat", VM, ADDRESS2, True), ("DeleteTap", VM)):
                try:
                    world.call(*step)
                except BusError:
                    return

        life = threading.Thread(target=live)
        life.start()
        time.sleep(chance.uniform(0.05, 1.2))  # a moment, not a wait
        if pid := world.helper_pid():
            world.root(f"kill -9 {pid} || true")
        life.join(timeout=60)
        world.call("List")
        nat = world.ledger().get(f"64001-{VM}.json", {}).get("nat")
        assert nat is None or nat["step"] == "made"
        assert elements(world, "ip", "nat") == ([nat["address"]] if nat and nat["on"] else [])
        assert len(elements(world, "bridge", "guests")) == (1 if nat else 0)
        assert forwarding(world) == ("1" if nat and nat["on"] else "0")
    world.call("Cleanup", VM)


def test_a_record_of_nobody_leaves_no_rule(world):
    """The ledger is gone (a wiped /run), the tables are there."""
    world.call("EnsureBridge", BRIDGE, NETWORK)
    world.kill_helper()
    world.root("rm -r /run/banger/ledger && ip link delete br-fc-test")
    world.call("List")
    assert rules(world) == ""


def test_a_kernel_that_may_not_forward(world, bridge):
    """Where /proc/sys cannot be written the VM is refused, and nothing is left half-made."""
    world.call("CreateTap", VM, bridge)
    clean = rules(world)
    pid = world.helper_pid()
    world.root(f"nsenter -t {pid} -m sh -c 'mount -t tmpfs none /proc/sys/net/ipv4 && echo 0 > {FORWARD} && chmod 400 {FORWARD} && "
               f"mount -o remount,ro /proc/sys/net/ipv4'")
    try:
        error = world.refused("SetNat", VM, ADDRESS, True)
        assert "IP forwarding" in error.message and "sysctl" in error.message
    finally:
        world.root(f"nsenter -t {pid} -m umount /proc/sys/net/ipv4")
    assert rules(world) == clean and "nat" not in world.ledger()[f"64001-{VM}.json"]
    world.call("SetNat", VM, ADDRESS, False)
    world.call("Cleanup", VM)


def test_an_administrator_may_keep_guests_in(world, bridge):
    """The example rule: NAT is for nobody, and VMs without it are as before."""
    rule = "/etc/polkit-1/rules.d/10-test.rules"
    world.root(f"cat > {rule}", input=(REPOSITORY / "polkit/examples/10-banger-restrict.rules").read_text())
    world.call("CreateTap", VM, bridge)
    try:
        until(lambda: not allowed(world, True), "polkit has read the rule")
        assert elements(world, "ip", "nat") == [] and allowed(world, False)
        assert elements(world, "bridge", "guests") != []
    finally:
        world.root(f"rm {rule}")
        until(lambda: allowed(world, True), "polkit has forgotten the rule")
    world.call("Cleanup", VM)


def allowed(world, on):
    """SetNat; False when polkit says no. Switched on, it is switched off again."""
    try:
        world.call("SetNat", VM, ADDRESS, on)
    except BusError as error:
        assert error.name == error_of("NotAuthorized")
        return False
    if on:
        world.call("SetNat", VM, ADDRESS, False)
    return True
