"""Times calls of the helper by the owner, and, by turns, what they are made of: a ping of the helper, and polkitd's answer to root
about the owner (CheckAuthorization). Run inside an instance as root: {"first": ms, "gated": [ms…], "ping": […], "polkit": […]}."""
import json
import os
import pwd
import time

from gi.repository import Gio, GLib

ROUNDS = 101
HELPER = ("org.banger.Helper1", "/org/banger/Helper1")
ACTION, OWNER = "org.banger.helper.machine", "banger-owner"


def timed(bus, name, path, interface, member, arguments=None):
    begin = time.monotonic()
    bus.call_sync(name, path, interface, member, arguments, None, Gio.DBusCallFlags.NONE, 60000)
    return (time.monotonic() - begin) * 1000


def be_owner(asked, answer):
    """The owner's process: a gated call and a ping for each byte that it is sent."""
    account = pwd.getpwnam(OWNER)
    os.setgroups([])
    os.setresgid(*[account.pw_gid] * 3)
    os.setresuid(*[account.pw_uid] * 3)
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)

    def gated():
        return timed(bus, *HELPER, "org.banger.Helper1.Machine", "List", GLib.Variant("(a{sv})", ({},)))

    print(json.dumps([bus.get_unique_name(), gated()]), file=answer, flush=True)
    while asked.read(1):
        print(json.dumps([gated(), timed(bus, *HELPER, "org.freedesktop.DBus.Peer", "Ping")]), file=answer, flush=True)


def main():
    to_owner, from_owner = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(to_owner[1])
        be_owner(os.fdopen(to_owner[0], "rb", 0), os.fdopen(from_owner[1], "w"))
        os._exit(0)
    answers = os.fdopen(from_owner[0])
    name, first = json.loads(answers.readline())
    bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
    subject = ("system-bus-name", {"name": GLib.Variant("s", name)})
    details = {"method": "List", "owner": OWNER, "vm": ""}
    times = {"first": first, "gated": [], "ping": [], "polkit": []}
    for _ in range(ROUNDS):
        os.write(to_owner[1], b".")
        gated, ping = json.loads(answers.readline())
        times["gated"].append(gated)
        times["ping"].append(ping)
        times["polkit"].append(timed(bus, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
                                     "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
                                     GLib.Variant("((sa{sv})sa{ss}us)", (subject, ACTION, details, 0, ""))))
    os.close(to_owner[1])
    os.wait()
    print(json.dumps(times))


main()
