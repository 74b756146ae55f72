"""What `cmake --install` lays down: units, D-Bus and polkit files, as their own programs judge them."""
import re
import subprocess

import pytest
from root import TOP

DBUS_DTD = "/usr/share/xml/dbus-1"
# "systemd-analyze security": an overall exposure, from 0 (good) to 10.
EXPOSURE = {"/usr/lib/systemd/system/banger-helper.service": 4.0, "/usr/lib/systemd/user/banger-daemon.service": 2.5}


def valid(path, dtd):
    """Validates without any network: the document type's address is not followed."""
    checked = subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", dtd, str(path)], text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("path", sorted((TOP / "dbus").glob("org.banger.*.xml")), ids=lambda path: path.name)
def test_interfaces_are_valid(path):
    valid(path, f"{DBUS_DTD}/introspect.dtd")


def test_an_invalid_interface_is_noticed(tmp_path):
    bad = tmp_path / "bad.xml"
    bad.write_text("<node><interface><method/></interface></node>", encoding="ascii")
    with pytest.raises(AssertionError, match="name"):
        valid(bad, f"{DBUS_DTD}/introspect.dtd")


def test_the_polkit_policy_is_valid():
    valid(TOP / "polkit" / "org.banger.helper.policy", "/usr/share/polkit-1/policyconfig-1.dtd")


def complaints(machine):
    """What the bus has said of the policy, since the machine's start: it serves on without a file that it cannot read."""
    return machine.run("journalctl -b -o cat -u dbus | grep -c org.banger.Helper1.conf || true").stdout


def test_the_bus_takes_the_policy(installed):
    """By the bus itself: the document type that D-Bus ships knows nothing of send_destination."""
    reload = "busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig"
    installed.run(reload)
    assert complaints(installed) == "0\n"
    path = "/etc/dbus-1/system.d/org.banger.Helper1.conf"
    good = installed.get(path)
    installed.put(good.replace(b"send_destination", b"sent_destination"), path)
    try:
        installed.run(reload, check=False)
        installed.until("journalctl -b -o cat -u dbus | grep -q org.banger.Helper1.conf", "the bus complains of a bad one")
    finally:
        installed.put(good, path)
    installed.run(reload)


def test_polkit_knows_the_actions(installed):
    known = installed.run("pkaction").stdout.split()
    described = re.findall(r'<action id="([^"]+)"', (TOP / "polkit" / "org.banger.helper.policy").read_text(encoding="utf-8"))
    assert described and set(described) <= set(known)


def test_units_are_without_warnings(installed):
    system_units = installed.run("cd /usr/lib/systemd/system && ls -d banger*").stdout.split()
    told = installed.run(["systemd-analyze", "verify", "--man=no", *system_units], timeout=120)
    assert told.stderr + told.stdout == ""
    user_units = installed.run("cd /usr/lib/systemd/user && ls -d banger*").stdout.split()
    told = installed.run(["systemd-analyze", "--user", "verify", "--man=no", *user_units], user="alice", timeout=120)
    assert told.stderr + told.stdout == ""


def test_units_name_manuals_that_are_there(installed):
    named = installed.run("grep -rh ^Documentation= /usr/lib/systemd/system/banger* /usr/lib/systemd/user/banger*").stdout
    pages = re.findall(r"man:([\w.-]+)\((\d)\)", named)
    assert pages
    for page, section in pages:
        installed.run(["test", "-s", f"/usr/share/man/man{section}/{page}.{section}"])


@pytest.mark.parametrize("unit", sorted(EXPOSURE))
def test_units_are_confined(installed, unit):
    told = installed.run(["systemd-analyze", "--offline=yes", "security", "--no-pager", unit], timeout=120).stdout
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert found and float(found[1]) <= EXPOSURE[unit], told
