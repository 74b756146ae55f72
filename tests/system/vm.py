"""One QEMU process: the test machine running. Commands go to the agents in it (agent.py) over virtio-serial ports."""
import contextlib
import itertools
import json
import pathlib
import re
import shlex
import socket
import subprocess
import threading
import time

from root import ACCOUNTS, die_with_parent

PORTS = ("root", *ACCOUNTS)
MEMORY = 2048  # MiB
MONITOR_LIMIT = 120
# Addresses seen from the machine. Nothing of the host or its network is reached: the user-mode network is closed, but for one
# service "outside", which answers each connection with what it was sent.
OUTSIDE = "10.0.2.100"
ECHO_PORT = 7
KERNEL_WORDS = ("console=ttyS0 root=/dev/vda rw quiet mitigations=off audit=0 apparmor=0 nokaslr net.ifnames=0 panic=-1 "
                "systemd.show_status=no")


class Failed(AssertionError):
    """A command whose status is not 0."""


class OutOfTime(AssertionError):
    """No answer within the limit: the command hangs, or the whole machine."""


class Script(str):
    """A Python program, as a command: run by the agent's own interpreter, with Gio loaded."""


class Result:
    """What came of a command: status (below zero: killed by that signal), stdout and stderr as text, out as bytes."""

    def __init__(self, header, data, command):
        self.status, self.command = header["status"], command
        self.out = data[:header["stdout"]]
        self.stdout = self.out.decode(errors="replace")
        self.stderr = data[header["stdout"]:].decode(errors="replace")

    def __repr__(self):
        return f"{self.command}: status {self.status}\n{self.stdout}{self.stderr}"


class Port:
    """The host's end of one agent."""

    def __init__(self, name, end):
        self.name, self.socket = name, end
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.changed = threading.Condition()
        self.answers, self.ended = {}, False
        threading.Thread(target=self._collect, daemon=True).start()

    def send(self, header, data=b""):
        """Returns the request's number."""
        header = {"id": next(self.numbers), "size": len(data), **header}
        text = json.dumps(header).encode()
        with self.lock:
            self.socket.sendall(len(text).to_bytes(4, "big") + text + data)
        return header["id"]

    def wait(self, number, limit):
        """(header, bytes) of the answer."""
        with self.changed:
            self.changed.wait_for(lambda: number in self.answers or self.ended, limit)
            if number in self.answers:
                return self.answers.pop(number)
        assert not self.ended, f"the machine ended meanwhile ({self.name})"
        raise OutOfTime(f"no answer of {self.name} after {limit} s: the machine hangs")

    def _collect(self):
        with contextlib.suppress(OSError, EOFError):
            while True:
                header = json.loads(self._read(int.from_bytes(self._read(4), "big")))
                data = self._read(header["size"])
                with self.changed:
                    self.answers[header["id"]] = (header, data)
                    self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _read(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(min(count - len(data), 1 << 20))
            if not part:
                raise EOFError
            data += part
        return bytes(data)


class Running:
    """A command that runs: wait() for its Result; signal() its process group."""

    def __init__(self, port, number, command, timeout):
        self.port, self.number, self.command, self.timeout = port, number, command, timeout

    def signal(self, number):
        self.port.wait(self.port.send({"signal": int(number), "target": self.number}), 60)

    def wait(self, check=False):
        result = Result(*self.port.wait(self.number, self.timeout + 60), self.command)
        if result.status is None:
            raise OutOfTime(f"ran out of its {self.timeout} s: {result}")
        if check and result.status != 0:
            raise Failed(repr(result))
        return result


class Qemu:
    """The process. `disk` is written to; `state`: a saved state to go on from, instead of a boot."""

    def __init__(self, root, disk, folder, state=None):
        self.console = folder / "console.log"
        self.ports, ends, words = {}, [], []
        for name in ("qmp", *PORTS):
            ours, theirs = socket.socketpair()
            ends.append(theirs)
            words += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
            if name == "qmp":
                self.monitor = ours.makefile("rw", encoding="utf-8")
                ours.settimeout(MONITOR_LIMIT)
                ours.close()  # the file keeps it
            else:
                self.ports[name] = Port(name, ours)
                words += ["-device", f"virtserialport,chardev={name},name={name}"]
        command = [*self.hardware(root, disk), "-device", "virtio-serial-pci", *words, "-mon", "chardev=qmp,mode=control"]
        if state:
            command += ["-incoming", "exec:cat " + shlex.quote(str(state))]
        with open(folder / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
                                            pass_fds=[end.fileno() for end in ends])
        for end in ends:
            end.close()
        self.qmp_read("QMP")
        self.qmp("qmp_capabilities")

    def hardware(self, root, disk):
        """What must be the same when a state is saved and when it is resumed."""
        return ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-M", "q35", "-cpu", "max", "-smp", "2", "-m", str(MEMORY),
                "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{self.console}",
                "-kernel", str(root / "vmlinuz"), "-initrd", str(root / "initrd"), "-append", KERNEL_WORDS,
                "-drive", f"file={disk},format=qcow2,if=none,id=disk,cache=unsafe", "-device", "virtio-blk-pci,drive=disk",
                "-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng",
                "-netdev", f"user,id=net,restrict=on,ipv6=off,guestfwd=tcp:{OUTSIDE}:{ECHO_PORT}-cmd:cat",
                "-device", "virtio-net-pci,netdev=net,romfile="]

    # --- QMP

    def qmp_read(self, *wanted):
        """Reads until a message has one of these keys; returns it."""
        for line in self.monitor:
            message = json.loads(line)
            if any(key in message for key in wanted):
                return message
        raise AssertionError(f"QEMU ended: {self.complaint()}")

    def qmp(self, command, **arguments):
        self.monitor.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.monitor.flush()
        answer = self.qmp_read("return", "error")
        assert "return" in answer, f"{command}: {answer}"
        return answer["return"]

    def save(self, path):
        """Writes the running machine's state, and ends it."""
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri="exec:cat > " + shlex.quote(str(path)))
        while True:
            event = self.qmp_read("event")
            if event["event"] == "MIGRATION" and event["data"]["status"] in ("completed", "failed"):
                break
        assert event["data"]["status"] == "completed", self.complaint()
        self.qmp("quit")
        self.wait()

    # --- the machine in it

    def set_clock(self):
        """A resumed machine believes that it is the time at which it was saved."""
        self.start(["date", "--utc", "--set", f"@{time.time():.3f}"]).wait(check=True)

    # --- the process

    def wait(self, limit=120):
        """Until it has ended by itself: its machine was shut down."""
        try:
            self.process.wait(limit)
        finally:
            self.kill()

    def kill(self):
        """Pulls the plug."""
        self.process.kill()
        self.process.wait()
        self.monitor.close()
        for port in self.ports.values():
            with contextlib.suppress(OSError):
                port.socket.shutdown(socket.SHUT_RDWR)
            port.socket.close()

    def complaint(self):
        """The end of the machine's console and of QEMU's messages."""
        texts = [path.read_text(errors="replace")[-4000:] for path in (self.console, self.console.with_name("qemu.log"))
                 if path.exists()]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "\n".join(texts))

    def start(self, command, user="root", input=b"", timeout=60, cwd=None, env=None):
        if isinstance(command, Script):
            what, label = {"script": command}, "script"
        else:
            argv = ["/bin/bash", "-c", command] if isinstance(command, str) else [str(word) for word in command]
            what, label = {"argv": argv}, command if isinstance(command, str) else shlex.join(argv)
        data = input.encode() if isinstance(input, str) else input
        home = "/root" if user == "root" else f"/home/{user}"
        request = {**what, "cwd": str(cwd or home), "env": env or {}, "timeout": timeout}
        port = self.ports[user]
        return Running(port, port.send(request, data), label, timeout)


def overlay(path, below=None, size=None):
    """A fresh qcow2 over another disk."""
    backing = ["-b", str(pathlib.Path(below).resolve()), "-F", "raw" if below.suffix == ".img" else "qcow2"]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(path), *([size] if size else [])], check=True)


def qemu_version():
    return subprocess.run(["qemu-system-x86_64", "--version"], text=True, capture_output=True, check=True).stdout.splitlines()[0]
