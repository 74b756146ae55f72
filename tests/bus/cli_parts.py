"""What the tests of the command line share: `banger` as an owner runs it, with VMs of the kind null, and terminals. The null
guest's commands copy standard input to standard output."""
import json
import os
import pty
import struct

from banger_test import until


def tiny_kernel(version="6.1.0-test"):
    """The smallest ELF that passes for a kernel: one segment, and the banner (elf(5))."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 256, 0, 0, 4096, 4096, 4096)
    banner = f"Linux version {version} (builder) #1".encode() + b"\0"
    body = b"\x90" * 44 + banner
    return (header + segment).ljust(256, b"\0") + body.ljust(4096, b"\x90")


class Cli:
    """`banger` as the owner of an instance runs it."""

    def __init__(self, instance):
        self.instance = instance
        self.vm_options = ["--vmm", "null", "--kernel", "tiny"]

    def __call__(self, *words, status=0, **more):
        result = self.instance.exec("banger", *words, check=False, **more)
        assert result.returncode == status, f"{words}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result

    def run(self, *words, status=0, **more):
        """vm run of a null VM."""
        more.setdefault("input", "")
        return self("vm", "run", *self.vm_options, *words, status=status, **more)

    def create(self, name, *words):
        self("vm", "create", *self.vm_options, "--name", name, *words)

    def vms(self):
        return {vm["name"]: vm for vm in json.loads(self("vm", "list", "--all", "-o", "json").stdout)}

    def popen(self, *words, **more):
        return self.instance.popen("banger", *words, **more)

    def wait_for(self, condition, what):
        return until(lambda: condition(self.vms()), what)

    def clear(self):
        names = list(self.vms())
        if names:  # some of them may be about to go by themselves
            self.instance.exec("banger", "vm", "delete", "--force", *names, check=False)
        self.wait_for(lambda vms: not vms, "all VMs are deleted")


def on_terminal(cli, *words):
    """Runs it with a terminal for all its streams; (status, what it wrote there)."""
    master, slave = pty.openpty()
    process = cli.popen(*words, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    return process, master


def drain(master):
    text = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the other end is closed everywhere
            break
        if not piece:
            break
        text += piece
    os.close(master)
    return text.decode()
