"""Calls every method of the helper with values made up at random: run inside an instance as one of its owners.

Standard input: {"seed": 1, "calls": 500, "vms": [...], "bridges": [...], "networks": [...],
"addresses": [...]}, which lead calls deeper than nonsense does. Standard output: a list of [method, error's name or "", message], one for each call, in their order.
"""
import json
import os
import random
import socket
import sys
import tempfile
import xml.etree.ElementTree as ET

from gi.repository import Gio, GLib

HELPER, PATH = "org.banger.Helper1", "/org/banger/Helper1"
BATCH = 16
LIMIT, WAIT_LIMIT = 120000, 500  # ms: Wait answers when a VMM has ended, which nobody ends meanwhile
WAITING = "waits"  # in place of an error's name
PAUSE = BATCH * 12  # ms: below the rate from which on calls are answered with Busy

request = json.load(sys.stdin)
dice = random.Random(request["seed"])
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
WORDS = ["", "TERM", "KILL", "null", "qemu", "never-ready", "eth0", "lo", "br-fc", "..", "../../etc/passwd", "/etc/shadow", "%s%n%p",
         "a b", "new\nline", "\x7f\x1b[2J", "ü" * 40, "x" * 70000, "0", "-1", "127.0.0.1", "172.30.9.2", "255.255.255.255/0",
         "172.30.9.1/33", "$(reboot)", "'; --", "0" * 32]
KEYS = ["op-id", "vmm", "kernel", "initrd", "drives", "tap", "console", "vcpus", "memory-mib", "null-mode", "isolated",
        "size", "read-only", "", "x" * 300, "uid"]
TYPES = ["s", "b", "u", "q", "t", "h", "v", "ay", "as", "a{sv}", "a(sbh)", "(su)", "o", "g", "d", "i"]


def descriptors():
    """One of each kind that a caller can have."""
    def opened(path, flags):
        return os.open(path, flags)

    own = tempfile.NamedTemporaryFile(dir=os.environ["HOME"], delete=True)
    own.write(b"x" * 5000)
    own.flush()
    deleted = tempfile.TemporaryFile()
    yield os.dup(own.fileno())
    yield opened(own.name, os.O_RDONLY)
    yield opened(own.name, os.O_PATH)
    yield os.dup(deleted.fileno())
    yield opened("/dev/null", os.O_RDWR)
    yield opened("/", os.O_RDONLY)
    yield opened("/proc/self/maps", os.O_RDONLY)
    yield os.memfd_create("fuzz")
    yield from os.pipe()
    yield socket.socket(socket.AF_UNIX).detach()


FILES = list(descriptors())


def elements(signature):
    """"sa{sv}" → ["s", "a{sv}"]."""
    found, begin, depth = [], 0, 0
    for at, letter in enumerate(signature):
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            found.append(signature[begin:at + 1])
            begin = at + 1
    return found


def number(bits, signed=False):
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    return dice.choice([low, high, 0, 1, 2, 24, 53, min(512, high), dice.randint(low, high)])


def text():
    return dice.choice([*WORDS, *(request["vms"] + request["bridges"] + request["networks"]) * 4])


def entry(kind, depth):
    """A dictionary's entry."""
    key, value = elements(kind[1:-1])
    chosen = GLib.Variant("s", dice.choice(KEYS)) if key == "s" else made(key, depth)
    return GLib.Variant.new_dict_entry(chosen, made(value, depth))


def made(kind, depth=0):
    """A value of that type."""
    simple = {"b": lambda: dice.random() < 0.5, "y": lambda: number(8), "q": lambda: number(16), "u": lambda: number(32),
              "t": lambda: number(64), "n": lambda: number(16, True), "i": lambda: number(32, True), "x": lambda: number(64, True),
              "d": lambda: dice.choice([0.0, -1.5, 1e308]), "s": text, "o": lambda: "/" + "a" * dice.randint(1, 20), "g": lambda: "a{sv}"}
    if kind in simple:
        return GLib.Variant(kind, simple[kind]())
    if kind == "h":
        return GLib.Variant.new_handle(dice.randrange(len(FILES) + 2))  # two of them are not there
    if kind == "v":
        return GLib.Variant.new_variant(made(dice.choice(TYPES if depth < 3 else TYPES[:5]), depth + 1))
    if kind.startswith("("):
        return GLib.Variant.new_tuple(*[made(part, depth + 1) for part in elements(kind[1:-1])])
    builder = GLib.VariantBuilder(GLib.VariantType.new(kind))
    for _ in range(dice.choice([0, 0, 1, 1, 2, 5, 40 if depth < 2 else 1])):
        builder.add_value(entry(kind[1:], depth + 1) if kind.startswith("a{") else made(kind[1:], depth + 1))
    return builder.end()


def methods():
    """(interface, name, [(argument's name, type)])."""
    answer = bus.call_sync(HELPER, PATH, "org.freedesktop.DBus.Introspectable", "Introspect", None, None, 0, -1, None)
    for interface in ET.fromstring(answer.unpack()[0]).findall("interface"):
        if interface.get("name").startswith(HELPER):
            for method in interface.findall("method"):
                yield interface.get("name"), method.get("name"), [(arg.get("name"), arg.get("type")) for arg in method.findall("arg")
                                                                  if arg.get("direction") == "in"]


def sensible(method, name, kind):
    """What an argument of that name is meant to be; None where anything does."""
    words = {"vm": request["vms"], "bridge": request["bridges"], "signal": ["KILL", "TERM"], "server": ["127.0.0.1"],
             "address": request["addresses"] if method == "SetNat" else request["networks"]}
    if name == "options":
        options = {"vmm": GLib.Variant("s", "null"), "tap": GLib.Variant("b", dice.random() < 0.5)} if method == "Launch" else {}
        return GLib.Variant("a{sv}", options)
    return GLib.Variant(kind, dice.choice(words[name])) if name in words else None


def arguments(method, wanted):
    if dice.random() < 0.1:  # not as the method takes them
        return GLib.Variant.new_tuple(*[made(dice.choice(TYPES)) for _ in range(dice.randint(0, 5))])
    nonsense = dice.choice([0, 0.1, 0.5])
    return GLib.Variant.new_tuple(*[(dice.random() >= nonsense and sensible(method, *argument)) or made(argument[1])
                                    for argument in wanted])


def give_up(kind, error, trace):
    """An exception in a callback would leave the loop waiting for ever."""
    sys.__excepthook__(kind, error, trace)
    sys.stderr.flush()
    os._exit(1)


def main():
    sys.excepthook = give_up
    known = list(methods())
    answers, loop = [], GLib.MainLoop()

    def answered(source, result, name):
        try:
            source.call_with_unix_fd_list_finish(result)
            answers.append([name, "", ""])
        except GLib.Error as error:
            if name == "Wait" and error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.TIMED_OUT):
                answers.append([name, WAITING, ""])
                return go_on()
            remote = Gio.DBusError.get_remote_error(error) or f"{error.domain}:{error.code}"
            answers.append([name, remote, error.message[:300]])
        go_on()

    def go_on():
        if len(answers) == sent[0]:
            GLib.timeout_add(PAUSE, send)

    def send():
        if len(answers) >= request["calls"]:
            loop.quit()
        else:
            for _ in range(BATCH):
                files = Gio.UnixFDList.new()
                for fd in FILES:
                    files.append(fd)
                interface, name, wanted = dice.choice(known)
                bus.call_with_unix_fd_list(HELPER, PATH, interface, name, arguments(name, wanted), None, 0,
                                           WAIT_LIMIT if name == "Wait" else LIMIT, files, None,
                                           answered, name)
            sent[0] += BATCH
        return False

    sent = [0]
    send()
    loop.run()
    json.dump(answers, sys.stdout)


main()
