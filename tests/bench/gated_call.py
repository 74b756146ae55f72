"""Times calls of the helper, as the owner, inside an instance: {"first": ms, "gated": [ms…], "ping": [ms…]}."""
import json
import time

from gi.repository import Gio, GLib

ROUNDS = 101


def timed(call):
    begin = time.monotonic()
    call()
    return (time.monotonic() - begin) * 1000


bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)


def gated():
    bus.call_sync("org.banger.Helper1", "/org/banger/Helper1", "org.banger.Helper1.Machine", "List",
                  GLib.Variant("(a{sv})", ({},)), None, Gio.DBusCallFlags.NONE, 60000)


def ping():
    bus.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", None, None,
                  Gio.DBusCallFlags.NONE, 60000)


first = timed(gated)
print(json.dumps({"first": first, "gated": [timed(gated) for _ in range(ROUNDS)], "ping": [timed(ping) for _ in range(ROUNDS)]}))
