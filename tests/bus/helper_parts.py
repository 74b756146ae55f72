"""What the tests of the root helper share: its methods by name, bursts of calls, a polkit that does as told, and the look for
leaks after every test."""
import contextlib
import json
import pathlib
import time

import pytest
from banger_test import HELPER, HELPER_PATH, BusError, until

VM = "abcdef012345"
VM2 = "bcdef0123456"
BRIDGE = "br-fc-test"
NETWORK = "172.30.9.1/24"
ADDRESS = "172.30.9.2"
CHALLENGE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"

SIGNATURES = {
    "EnsureBridge": ("Network", "(ssa{sv})"),
    "DeleteBridge": ("Network", "(sa{sv})"),
    "CreateTap": ("Network", "(ssa{sv})"),
    "DeleteTap": ("Network", "(sa{sv})"),
    "SetNat": ("Network", "(ssba{sv})"),
    "SetResolver": ("Network", "(ssqa{sv})"),
    "ClearResolver": ("Network", "(sa{sv})"),
    "CreateSnapshot": ("Storage", "(shha{sv})"),
    "CheckSnapshot": ("Storage", "(sa{sv})"),
    "RemoveSnapshot": ("Storage", "(sa{sv})"),
    "ReadImageFile": ("Storage", "(ssa{sv})"),
    "WriteImageFiles": ("Storage", "(sa(sayuuu)a{sv})"),
    "Launch": ("Machine", "(sa{sv})"),
    "Inspect": ("Machine", "(sa{sv})"),
    "List": ("Machine", "(a{sv})"),
    "Signal": ("Machine", "(ssa{sv})"),
    "Kill": ("Machine", "(sa{sv})"),
    "Wait": ("Machine", "(sa{sv})"),
    "Cleanup": ("Machine", "(sa{sv})"),
}
# One well-formed call of each.
ORDINARY = {
    "EnsureBridge": [BRIDGE, NETWORK],
    "DeleteBridge": [BRIDGE],
    "CreateTap": [VM, BRIDGE],
    "DeleteTap": [VM],
    "SetNat": [VM, ADDRESS, True],
    "SetResolver": [BRIDGE, "127.0.0.1", 5353],
    "ClearResolver": [BRIDGE],
    "CreateSnapshot": [VM, 0, 1],
    "CheckSnapshot": [VM],
    "RemoveSnapshot": [VM],
    "ReadImageFile": [VM, "/etc/hostname"],
    "WriteImageFiles": [VM, [["/etc/hostname", "guest\n", 0o644, 0, 0]]],
    "Launch": [VM],
    "Inspect": [VM],
    "List": [],
    "Signal": [VM, "TERM"],
    "Kill": [VM],
    "Wait": [VM],
    "Cleanup": [VM],
}
NULL = {"vmm": ["s", "null"]}


def error_of(name):
    return f"org.banger.Error.{name}"


class World:
    """An instance, seen as the place of the helper."""

    def __init__(self, instance):
        self.instance = instance
        self.call("List")  # so that the helper's own folders are there
        self.before = instance.resources()

    def call(self, member, *arguments, options=None, **more):
        """call("DeleteTap", vm): the returned values; raises BusError."""
        interface, signature = SIGNATURES[member]
        if member == "CreateSnapshot":
            more.setdefault("files", [("/dev/null", "r"), ("/dev/null", "rw")])
        return self.instance.helper(interface, member, signature, [*arguments, options or {}], **more)

    def ordinary(self, member, options=None, **more):
        options = {**(NULL if member == "Launch" else {}), **(options or {})}
        return self.call(member, *ORDINARY[member], options=options, **more)

    def refused(self, member, *arguments, **more):
        """The BusError of a call that must fail."""
        try:
            value = self.call(member, *arguments, **more)
        except BusError as error:
            return error
        raise AssertionError(f"{member}{arguments} {more} was not refused but answered {value}")

    def root(self, script, **more):
        """A shell script as root, inside."""
        return self.instance.exec("sh", "-c", script, user="root", **more).stdout

    def owner(self, script, user="owner", **more):
        return self.instance.exec("sh", "-c", script, user=user, **more).stdout

    def helper_pid(self):
        """Inside; 0 when no helper runs."""
        try:
            return self.instance.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                      "GetConnectionUnixProcessID", "(s)", [HELPER], bus="system", user="root")[0]
        except BusError:
            return 0

    def kill_helper(self):
        """kill -9, and waits until it has ended."""
        pid = self.helper_pid()
        self.root(f"kill -9 {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.01; done")

    def ledger(self):
        """File name → content."""
        names = self.root("ls /run/banger/ledger").split()
        return {name: json.loads(self.root(f"cat /run/banger/ledger/{name}")) for name in names}

    def facts(self, vm=VM, **more):
        return self.call("Inspect", vm, **more)[0]

    def vmm_processes(self):
        return [line for line in self.root("ps -eo pid,stat,args").splitlines()
                if ("bwrap" in line or "--api-sock" in line) and " Z" not in line]

    def log(self):
        return pathlib.Path(self.instance.state_dir / "log" / "system-bus.log").read_text(errors="replace")

    def log_line(self, text):
        """The one line of the helper's log with this text; it may come a moment after the answer."""
        lines = until(lambda: [line for line in self.log().splitlines() if text in line], f"a log line with {text}", limit=10)
        assert len(lines) == 1, lines
        return lines[0]

    def leaks(self):
        found = []
        now = self.instance.resources()
        found += [f"{key}: {self.before[key]} → {now[key]}" for key in self.before if self.before[key] != now[key]]
        found += [f"ledger: {name}" for name in self.root("ls -A /run/banger/ledger").split()]
        found += [f"jail: {name}" for name in self.root("ls -A /var/lib/banger/jails").split()]
        return found + self.vmm_processes()

    def check(self):
        """Fails when something is left; removes it then, so that the next test has a clean place."""
        try:
            until(lambda: not self.leaks(), "no leak", limit=10)
        except AssertionError:
            found = self.leaks()
            self.reset()
            raise AssertionError(f"leaked: {found}")

    def reset(self):
        for user in ("owner", "other"):
            for member, names in (("Cleanup", self.call("List", user=user)[0]),
                                  ("DeleteBridge", [n for n in self.instance.links() if n.startswith("br-fc")])):
                for name in names:
                    try:
                        self.call(member, name, user=user)
                    except BusError as error:
                        print(f"{member} {name}: {error}")

    def burst(self, count, member, arguments=None, user="owner"):
        """Sends `count` calls at once over one connection: the list of their errors' names, "" for a success, in order of
        the calls; and how long all took."""
        interface, signature = SIGNATURES[member]
        request = {"count": count, "interface": f"{HELPER}.{interface}", "member": member, "signature": signature,
                   "arguments": [*(ORDINARY[member] if arguments is None else arguments), {}]}
        result = self.instance.exec("/usr/bin/python3", "-I", "-c", BURST, user=user, input=json.dumps(request), timeout=120)
        return json.loads(result.stdout)


BURST = """
import json, sys, time
from gi.repository import Gio, GLib
request = json.load(sys.stdin)
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
loop = GLib.MainLoop()
answers = [None] * request["count"]
def answered(bus, result, index):
    try:
        bus.call_finish(result)
        answers[index] = ""
    except GLib.Error as error:
        answers[index] = Gio.DBusError.get_remote_error(error) or error.message
    if None not in answers:
        loop.quit()
kinds = GLib.VariantType(request["signature"])
words = ", ".join("@a{sv} {}" if isinstance(a, dict) else str(a).lower() if isinstance(a, bool) else repr(a)
                  for a in request["arguments"])
value = GLib.Variant.parse(kinds, "(" + words + ("," if len(request["arguments"]) == 1 else "") + ")")
begin = time.monotonic()
for index in range(request["count"]):
    bus.call("org.banger.Helper1", "/org/banger/Helper1", request["interface"], request["member"], value, None, 0, 60000,
             None, answered, index)
loop.run()
json.dump([answers, time.monotonic() - begin], sys.stdout)
"""

OVERLAY = """set -e
mount -t tmpfs none /mnt; mkdir /mnt/low /mnt/up /mnt/work /mnt/merged
truncate -s 1M /mnt/low/file /mnt/up/file
mount -t overlay -o lowerdir=/mnt/low,upperdir=/mnt/up,workdir=/mnt/work,userxattr none /mnt/merged
echo $$; read line"""


@contextlib.contextmanager
def overlay_of_the_owner(instance):
    """The path of a file on an overlay that the owner mounted in a namespace of its own: what is below may be a FUSE of its own."""
    holder = instance.popen("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", OVERLAY, stdin=-1, stdout=-1)
    try:
        pid = holder.stdout.readline().decode().strip()
        if not pid:
            pytest.skip("no overlays in user namespaces here")
        yield f"/proc/{pid}/root/mnt/merged/file"
    finally:
        holder.communicate(b"\n", timeout=30)


# Stands in for polkitd: answers as the file /run/polkit-mode says, and writes down what it was asked.
POLKIT = """
import json, os
from gi.repository import Gio, GLib
XML = '''<node><interface name="org.freedesktop.PolicyKit1.Authority">
<method name="CheckAuthorization"><arg type="(sa{sv})" direction="in"/><arg type="s" direction="in"/>
<arg type="a{ss}" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
<arg type="(bba{ss})" direction="out"/></method>
<method name="CancelCheckAuthorization"><arg type="s" direction="in"/></method>
<property name="BackendName" type="s" access="read"/><property name="BackendVersion" type="s" access="read"/>
<property name="BackendFeatures" type="u" access="read"/></interface></node>'''
held = []
def note(what):
    with open("/run/polkit-asked", "a") as file:
        file.write(json.dumps(what) + chr(10))
def reply(invocation, mode):
    values = {"yes": (True, False, {}), "no": (False, False, {}), "challenge": (False, True, {}),
              "dismissed": (False, True, {"polkit.dismissed": "true"})}
    invocation.return_value(GLib.Variant("((bba{ss}))", (values[mode],)))
def look():
    mode = open("/run/polkit-mode").read().strip()
    if mode != "hang":
        while held:
            reply(held.pop(0), mode)
    return True
def call(bus, sender, path, interface, method, arguments, invocation):
    if method == "CancelCheckAuthorization":
        note({"cancelled": arguments.unpack()[0]})
        return invocation.return_value(None)
    subject, action, details, flags, cancel = arguments.unpack()
    note({"subject": subject, "action": action, "details": details, "flags": flags, "cancel": cancel})
    mode = open("/run/polkit-mode").read().strip()
    if mode == "hang":
        held.append(invocation)
    elif mode == "error":
        invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Failed", "no mood")
    else:
        reply(invocation, mode)
def get(bus, sender, path, interface, name):
    return GLib.Variant("u", 0) if name == "BackendFeatures" else GLib.Variant("s", "mock")
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
node = Gio.DBusNodeInfo.new_for_xml(XML)
bus.register_object("/org/freedesktop/PolicyKit1/Authority", node.interfaces[0], call, get, None)
Gio.bus_own_name_on_connection(bus, "org.freedesktop.PolicyKit1", 0, None, None)
GLib.timeout_add(20, look)
GLib.MainLoop().run()
"""


class Polkit:
    """The stand-in for polkitd, in an instance that was started without one."""

    def __init__(self, world_root, process):
        self.root, self.process = world_root, process

    def says(self, mode):
        self.root(f"echo {mode} > /run/polkit-mode.new; mv /run/polkit-mode.new /run/polkit-mode")

    def asked(self):
        return [json.loads(line) for line in self.root("cat /run/polkit-asked 2>/dev/null || true").splitlines()]

    def forget(self):
        self.root("rm -f /run/polkit-asked")


@contextlib.contextmanager
def polkit_stand_in(instance):
    def root(script):
        return instance.exec("sh", "-c", script, user="root").stdout

    root("echo yes > /run/polkit-mode")
    process = instance.popen("/usr/bin/python3", "-I", "-c", POLKIT, user="root")
    def there():
        names = instance.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ListNames", bus="system")
        return "org.freedesktop.PolicyKit1" in names[0]
    try:
        until(there, "the stand-in for polkit is on the bus")
        yield Polkit(root, process)
    finally:
        process.terminate()
        process.wait(timeout=30)


def timed(body):
    begin = time.monotonic()
    body()
    return time.monotonic() - begin
