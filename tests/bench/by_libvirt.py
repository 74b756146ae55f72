"""libvirt around the same guest, where it is installed."""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import xml.sax.saxutils

import banger_test
import by_hand

WHY = ""


def open_or_none(qemu):
    """A private libvirtd; None, with WHY set, where there is none or it does not work."""
    global WHY
    if not shutil.which("libvirtd") or not shutil.which("virsh"):
        WHY = "libvirtd and virsh are not installed (packages libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)"
        return None
    try:
        return Libvirt(qemu)
    except (OSError, subprocess.SubprocessError, AssertionError) as error:
        WHY = str(error)
        return None


class Libvirt:
    """A libvirtd as an unprivileged user has it (qemu:///session), with folders of its own."""

    def __init__(self, qemu):
        self.qemu = qemu
        self.destroys = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banger-libvirt-"))
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(self.folder / "run"), "HOME": str(self.folder),
                            "XDG_CONFIG_HOME": str(self.folder / "config"), "XDG_CACHE_HOME": str(self.folder / "cache"),
                            "XDG_DATA_HOME": str(self.folder / "data")}
        for name in ("run", "config", "cache", "data"):
            (self.folder / name).mkdir(mode=0o700)
        os.chmod(self.folder, 0o755)
        # Nobody: root's libvirtd would be the system's, and libvirt wants an account that the host knows.
        self.user = 65534
        subprocess.run(["chown", "-R", f"{self.user}:{self.user}", self.folder, qemu.folder], check=True)
        os.chmod(qemu.folder, 0o755)
        self.daemon = subprocess.Popen(self.as_user("libvirtd", "--timeout", "600"), env=self.environment,
                                       stdout=subprocess.DEVNULL, stderr=open(self.folder / "log", "wb"))
        try:
            banger_test.until(lambda: self.virsh("version", check=False).returncode == 0, "libvirtd answers", limit=60)
        except AssertionError as error:
            said = (self.folder / "log").read_text(errors="replace") + self.virsh("version", check=False).stderr.decode()
            self.close()
            raise AssertionError(f"{error}: {said[-500:]}") from None

    def as_user(self, *command):
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *map(str, command)]

    def virsh(self, *words, check=True):
        done = subprocess.run(self.as_user("virsh", "-q", "-c", "qemu:///session", *words), env=self.environment,
                              capture_output=True, check=False, timeout=60)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def domain(self, port):
        """The domain: libvirt's own machine part, and the rest of the command line as banger has it."""
        arguments = self.qemu.arguments(port)
        skip = {"-name", "-M", "-accel", "-m", "-smp", "-sandbox"}
        rest, at = [], 1
        while at < len(arguments):
            if arguments[at] in skip:
                at += 2
                continue
            if arguments[at] == "-netdev":
                rest += ["-netdev", "user,id=net-eth0"]
                at += 2
                continue
            if arguments[at] in ("-nodefaults", "-no-user-config", "-no-reboot"):
                at += 1
                continue
            rest.append(arguments[at])
            at += 1
        rest = ["null,id=console" if word.startswith("stdio,id=console") else word for word in rest]
        args = "".join(f"<qemu:arg value={xml.sax.saxutils.quoteattr(word)}/>" for word in rest)
        return ("<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>bench</name>"
                "<memory unit='MiB'>512</memory><vcpu>2</vcpu><os><type arch='x86_64' machine='microvm'>hvm</type></os>"
                "<features><acpi/></features><devices><controller type='usb' model='none'/><memballoon model='none'/></devices>"
                f"<qemu:commandline>{args}</qemu:commandline></domain>")

    def boot(self):
        """virsh create until the agent says ready; what virsh destroy then takes goes to self.destroys."""
        subprocess.run(["cp", "--sparse=always", self.qemu.pristine, self.qemu.folder / "work"], check=True)
        subprocess.run(["chown", f"{self.user}", self.qemu.folder / "work"], check=True)
        sockets = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        os.chown(sockets, self.user, self.user)
        description = self.folder / "domain.xml"
        description.write_text(self.domain(sockets), encoding="utf-8")
        begin = time.monotonic()
        self.virsh("create", description)
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(60)
            stream.connect(str(sockets / "port1"))
            by_hand.wait_ready(stream)
        ready = time.monotonic()
        self.virsh("destroy", "bench")
        self.destroys.append((time.monotonic() - ready) * 1000)
        shutil.rmtree(sockets)
        return (ready - begin) * 1000
    boot.measures_itself = True

    def close(self):
        self.daemon.terminate()
        self.daemon.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
