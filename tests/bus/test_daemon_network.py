"""What the owner daemon asks of the network for its VMs."""
import json

import pytest
from banger_test import until
from daemon_parts import Client
from daemon_place import place, shared  # noqa: F401 (fixtures)


def elements(place, family, name):
    listed = json.loads(place.instance.exec("nft", "-j", "list", "set", family, "banger", name, user="root").stdout)["nftables"]
    return [entry.get("concat", entry) if isinstance(entry, dict) else entry
            for entry in next(item["set"] for item in listed if "set" in item).get("elem", [])]


def forwarding(place):
    return place.instance.exec("cat", "/proc/sys/net/ipv4/ip_forward", user="root").stdout.strip()


@pytest.mark.parametrize("options,on", [({}, True), ({"nat": True}, True), ({"nat": False}, False)])
def test_nat_is_there_while_the_vm_runs(place, options, on):
    before = forwarding(place)
    place.client.made(name="box", start=True, **options)
    vm = place.client.vms()["box"]
    assert vm["Nat"] is on
    tap, mac, address = elements(place, "bridge", "guests")[0]
    assert tap in place.instance.links() and address == vm["Address"] and mac.startswith("06:00:")
    assert elements(place, "ip", "nat") == ([address] if on else [])
    assert forwarding(place) == ("1" if on else before)
    place.client.done("StopVm", "box")
    # The daemon gives back what it held after the VM has stopped: nobody waits for it.
    until(lambda: elements(place, "bridge", "guests") == [] and elements(place, "ip", "nat") == [], "its rules are gone")
    until(lambda: forwarding(place) == before, "forwarding is as before")
    place.client.done("StartVm", "box")  # the choice is kept
    assert elements(place, "ip", "nat") == ([address] if on else [])
    place.client.done("KillVm", "box")
    place.client.done("DeleteVm", "box")


def test_a_start_that_fails_leaves_no_rule(place):
    place.client.fails("Timeout", lambda: place.client.made(name="box", start=True, **{"null-mode": "never-ready",
                                                                                       "ready-timeout-ms": 200}))
    until(lambda: elements(place, "bridge", "guests") == [], "the rules are gone")
    assert elements(place, "ip", "nat") == []


def test_nat_is_true_or_false(place):
    place.client.fails("InvalidArgument", lambda: place.client.made(name="box", nat="yes"))
