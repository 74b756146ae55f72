"""What a guest reaches: real packets of a real guest."""
import types

from network_parts import outside

SAY = "exec 3<>/dev/udp/203.0.113.2/7; printf %s hello >&3; timeout 20 head -c 21 <&3 2>&1"


def say(guests, name):
    return guests.cli("vm", "exec", name, "--", "bash", "-c", SAY, check=False).stdout


def test_guests_with_nat_and_without(clean):
    world = types.SimpleNamespace(
        instance=clean, root=lambda script: clean.exec("sh", "-c", script, user="root").stdout)
    with outside(world) as internet, clean.vm("free"), clean.vm("fenced", "--no-nat"):
        assert say(clean, "free") == "seen from 203.0.113.1"
        assert "No route to host" in say(clean, "fenced")
        assert internet.wait("hello") == [["hello", "203.0.113.1"]]
        assert (clean.vms()["free"]["nat"], clean.vms()["fenced"]["nat"]) == (True, False)
        clean.cli("vm", "stop", "free")
        clean.cli("vm", "start", "free")
        assert say(clean, "free") == "seen from 203.0.113.1"
