"""A client of org.banger.Manager1 that stays on the bus, driven line by line: runs inside an instance as the owner.

Each line on standard input is a request as JSON, answered by a line on standard output:
  {"do": "call", "path": …, "interface": …, "member": …, "signature": "(sa{sv})", "arguments": [...], "timeout": 60}
      → {"value": […]} or {"error": name, "message": text}; arguments are as in bus_call.py
  {"do": "name"} → {"value": the unique bus name}
End of input ends it: the client leaves the bus.
"""
import json
import sys

from gi.repository import Gio, GLib

# bus_call.py stands before this text; its variant() is used.


def call(bus, request):
    arguments = variant(request["signature"], request["arguments"])  # noqa: F821
    reply, files = bus.call_with_unix_fd_list_sync(
        request.get("destination", "org.banger.Manager1"), request["path"], request["interface"], request["member"], arguments, None,
        Gio.DBusCallFlags.NONE, int(request.get("timeout", 60) * 1000), None, None)
    return {"value": reply.unpack(), "files": files.get_length() if files else 0}


def serve():
    bus = Gio.bus_get_sync(Gio.BusType.SESSION)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": bus.get_unique_name()} if request["do"] == "name" else call(bus, request)
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error) or error.domain
            Gio.DBusError.strip_remote_error(error)
            answer = {"error": name, "message": error.message}
        print(json.dumps(answer), flush=True)


serve()
