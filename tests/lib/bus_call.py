"""One D-Bus call, described as JSON on standard input, answered as JSON on standard output.

Runs inside an instance as the user who calls; banger_test.Instance.call() hands it to python3 -c. Request:
  {"bus": "system", "destination": …, "path": …, "interface": …, "member": …, "signature": "(sa{sv})", "arguments": [...],
   "files": [["/path", "r" | "w" | "rw"]], "interactive": false, "timeout": 60}
An argument for `h` is an index into "files"; a variant is ["signature", value].
Answer: {"value": […]} or {"error": "org.banger.Error.NotFound", "message": "…"}. Descriptors in the value are indices.
"""
import json
import os
import sys

from gi.repository import Gio, GLib


def complete_types(signature):
    """"sa{sv}" → ["s", "a{sv}"]."""
    types, begin, depth = [], 0, 0
    for at, letter in enumerate(signature):
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            types.append(signature[begin:at + 1])
            begin = at + 1
    return types


def variant(signature, value):
    """GLib.Variant() of plain JSON; in it, a `v` is written as [signature, value]."""
    if signature == "v":
        return GLib.Variant("v", variant(*value))
    if signature.startswith("a{"):
        key, item = complete_types(signature[2:-1])
        builder = GLib.VariantBuilder(GLib.VariantType(signature))
        for name, content in value.items():
            builder.add_value(GLib.Variant.new_dict_entry(variant(key, name), variant(item, content)))
        return builder.end()
    if signature == "ay":
        content = bytes(value) if isinstance(value, list) else value.encode()
        return GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(content), True)
    if signature.startswith("a"):
        builder = GLib.VariantBuilder(GLib.VariantType(signature))
        for item in value:
            builder.add_value(variant(signature[1:], item))
        return builder.end()
    if signature.startswith("("):
        kinds = complete_types(signature[1:-1])
        if len(kinds) != len(value):
            raise ValueError(f"{signature} takes {len(kinds)} values")
        return GLib.Variant.new_tuple(*[variant(k, v) for k, v in zip(kinds, value)])
    if signature == "h":
        return GLib.Variant.new_handle(value)
    return GLib.Variant(signature, value)


def plain(value):
    """value.unpack(), which would take bytes one by one."""
    if value.get_type_string() == "ay":
        return list(value.get_data_as_bytes().get_data())
    return value.unpack()


def main():
    request = json.load(sys.stdin)
    modes = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR}
    files = Gio.UnixFDList.new()
    for path, mode in request.get("files", []):
        fd = os.open(path, modes[mode])
        files.append(fd)
        os.close(fd)
    kind = Gio.BusType.SYSTEM if request["bus"] == "system" else Gio.BusType.SESSION
    flags = Gio.DBusCallFlags.NONE
    if request.get("interactive"):
        flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION
    try:
        bus = Gio.bus_get_sync(kind)
        reply, _ = bus.call_with_unix_fd_list_sync(
            request["destination"], request["path"], request["interface"], request["member"],
            variant(request.get("signature", "()"), request.get("arguments", [])), None, flags,
            int(request.get("timeout", 60) * 1000), files)
        answer = {"value": [plain(reply.get_child_value(at)) for at in range(reply.n_children())]}
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error) or f"{error.domain}:{error.code}"
        Gio.DBusError.strip_remote_error(error)
        answer = {"error": name, "message": error.message}
    json.dump(answer, sys.stdout)


main()
