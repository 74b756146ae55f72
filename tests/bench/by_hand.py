"""The other side of the comparisons: QEMU started by hand, the agent's protocol spoken by hand, numbers from /proc."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from gi.repository import Gio, GLib

import banger_test

LIST_VMS = (banger_test.MANAGER_PATH, banger_test.MANAGER, "ListVms", GLib.Variant("(a{sv})", ({},)))

# Frames of the serial link (src/agent/link.hpp): u8 type, u8 zero, u16 LE length.
OPEN, ACCEPT, REFUSE, DATA, END, RESET, RESET_DONE = range(1, 8)


def status_of(pid, field):
    """A number of /proc/PID/status, in KiB where it is memory."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def switches_of(pid):
    """Voluntary context switches of all threads: how often the process has gone to sleep, thus woken up."""
    return sum(status_of(f"{pid}/task/{thread}", "voluntary_ctxt_switches") for thread in os.listdir(f"/proc/{pid}/task"))


class FrameReader:
    """Frames from a stream, with a header of `layout` that ends in the length."""

    def __init__(self, stream, layout):
        self.stream, self.layout, self.buffer = stream, layout, b""

    def take(self, count):
        while len(self.buffer) < count:
            more = self.stream.recv(65536)
            if not more:
                raise EOFError("the stream ended within a frame")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def next(self):
        kind, _, length = struct.unpack(self.layout, self.take(struct.calcsize(self.layout)))
        return kind, self.take(length)


def wait_ready(host_port):
    """Answers on the guest's port until the agent's word "ready" has come."""
    frames = FrameReader(host_port, "<BBH")
    while True:
        kind, _ = frames.next()
        if kind == RESET:
            host_port.sendall(struct.pack("<BBH", RESET_DONE, 0, 0))
        elif kind == OPEN:
            host_port.sendall(struct.pack("<BBH", ACCEPT, 0, 0))
        elif kind == DATA:
            return


class Session:
    """A session with a VM's agent, opened through the daemon; one command."""

    def __init__(self, guests, name):
        reply, fds = guests.bus().call_with_unix_fd_list_sync(
            banger_test.MANAGER, banger_test.MANAGER_PATH, banger_test.MANAGER, "OpenSession",
            GLib.Variant("(sa{sv})", (name, {})), None, Gio.DBusCallFlags.NONE, 60000, None)
        self.stream = socket.socket(fileno=fds.get(reply.unpack()[0]))
        self.stream.settimeout(60)

    def execute(self, words):
        request = json.dumps({"version": 1, "kind": "exec", "argv": words}).encode()
        eof = struct.pack("<BBI", 3, 0, 0)
        self.stream.sendall(struct.pack("<BBI", 1, 0, len(request)) + request + eof)
        frames = FrameReader(self.stream, "<BBI")
        while True:
            kind, payload = frames.next()
            if kind == 36:
                assert json.loads(payload)["status"] == 0, payload
                return
            assert kind != 37, payload

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()


class Qemu:
    """QEMU with the very command line that banger-qemu has used for a VM, but for what must differ: where the files are, and
    listening sockets in place of inherited ones. Runs in the instance's network, on a tap of its own."""

    def __init__(self, guests):
        self.guests = guests
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banger-bench-"))
        self.tap = "bench0"
        with guests.vm("model"):
            pid = guests.find("vmm")[0]
            self.model = guests.descendants()[pid]
            self.raw = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
            data = guests.home / ".local" / "share" / "banger"
            vm = guests.vms()["model"]
            self.files = {}
            for inner, name in (("/kernel", "vmlinux"), ("/initrd", "initrd")):
                with open(data / "kernels" / vm["kernel"] / name, "rb") as file:
                    self.files[inner] = self.copy(file, name)
            with open(f"/proc/{pid}/root/drives/rootfs", "rb") as image:
                self.files["/drives/rootfs"] = self.copy(image, "rootfs")
            guests.cli("vm", "stop", "model")
            with open(data / "vms" / vm["id"] / "work.ext4", "rb") as disk:
                self.pristine = self.copy(disk, "work.pristine")
        self.files["/drives/work"] = self.folder / "work"
        guests.exec("sh", "-c", f"ip tuntap add {self.tap} mode tap && ip link set {self.tap} up", user="root")

    def copy(self, source, name):
        path = self.folder / name
        subprocess.run(["cp", "--sparse=always", f"/proc/self/fd/{source.fileno()}", path], check=True,
                       pass_fds=[source.fileno()])
        return path

    def arguments(self, sockets):
        """The command line; `sockets`: chardev's id → path where it listens."""
        words = [word.decode() for word in self.raw]
        result, at = [], 0
        while at < len(words):
            word = words[at]
            following = words[at + 1] if at + 1 < len(words) else ""
            if word in ("-chardev", "-mon") and "qmp" in following:
                at += 2
                continue
            if word == "-chardev" and following.startswith("socket,"):
                name = dict(part.split("=", 1) for part in following.split(",")[1:])["id"]
                word, following = "-chardev", f"socket,id={name},path={sockets / name},server=on,wait=off"
            elif word == "-netdev":
                head = following.split(",fd=")[0]
                following = f"{head},ifname={self.tap},script=no,downscript=no"
            else:
                for inner, outer in self.files.items():
                    following = following.replace(f'"{inner}"', f'"{outer}"')
                    if following == inner:
                        following = str(outer)
                result.append(word)
                at += 1
                if word.startswith("-") and following != (words[at] if at < len(words) else ""):
                    result.append(following)
                    at += 1
                continue
            result += [word, following]
            at += 2
        return result

    def boot(self):
        """From starting QEMU until the agent says ready; the time in ms. Killing it is not counted."""
        subprocess.run(["cp", "--sparse=always", self.pristine, self.folder / "work"], check=True)
        sockets = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        command = ["nsenter", f"--net=/proc/{self.guests.pid('supervisor')}/ns/net", "--", *self.arguments(sockets)]
        with open(self.folder / "console", "wb") as console:
            begin = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            try:
                with self.connect(sockets / "port1", process) as host_port:
                    wait_ready(host_port)
                return (time.monotonic() - begin) * 1000
            finally:
                process.kill()
                process.wait()
                shutil.rmtree(sockets)
    boot.measures_itself = True

    def connect(self, path, process):
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(60)

        def connected():
            assert process.poll() is None, (self.folder / "console").read_text(errors="replace")
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                stream.connect(str(path))
                return True
            return False
        banger_test.until(connected, "QEMU listens")
        return stream

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.guests.exec("ip", "link", "delete", self.tap, user="root", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
