"""What the guest tier shares: an instance whose kernel and image outlive the run, the CLI inside it, and the look for leaks.

The state folder is $BANGER_TEST_CACHE/instance (default: ~/.cache/banger-tests): taking in a kernel and building an image take
minutes, a test of them is in the bus tier. Everything else of a VM is removed again.
"""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import termios

from gi.repository import Gio, GLib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import banger_test  # noqa: E402
from banger_test import until  # noqa: E402

CACHE = pathlib.Path(os.environ.get("BANGER_TEST_CACHE") or pathlib.Path.home() / ".cache" / "banger-tests")
KERNEL_PACKAGE = "linux-image-cloud-amd64"
IMAGE = "guest-tests"
SUITE = "bookworm"
PACKAGES = "make"
LIMIT = 120  # seconds for anything with a guest in it; a boot takes 3
HOME = "/home/banger-owner"
JOB = "org.banger.Job1"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Guests(banger_test.Instance):
    """An instance on the cached state. Leaving it deletes all VMs and looks for leaks, but keeps kernel and image."""

    def __init__(self):
        # One instance per cache, so that two checkouts with caches of their own do not meet.
        super().__init__(name="guests-" + hashlib.sha256(str(CACHE).encode()).hexdigest()[:8])
        self.folder.rmdir()
        self.folder = CACHE
        self.state_dir = CACHE / "instance"
        self.lock = None
        self.connection = None

    def __enter__(self):
        CACHE.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.lock = open(CACHE / "lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.stop(check=False)
        self.network = "none" if (self.state_dir / "prepared").exists() else "auto"
        super().__enter__()
        try:
            if self.network == "auto":
                self.prepare()
                self.stop()
                self.network = "none"
                super().__enter__()
            self.delete_all()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def prepare(self):
        """Kernel and image: minutes, once."""
        if not self.cli("kernel", "list", "-q").stdout.strip():
            self.cli("kernel", "import", "--deb", KERNEL_PACKAGE, timeout=600)
        if IMAGE not in self.cli("image", "list", "-q").stdout.split():
            self.cli("image", "build", IMAGE, "--suite", SUITE, "--include", PACKAGES, timeout=1200)
        (self.state_dir / "prepared").touch()

    def __exit__(self, kind, *_):
        try:
            if kind:
                self.complain()
            else:
                self.delete_all()
        finally:
            self.stop(check=not kind)
            self.lock.close()
        if not kind:
            until(lambda: not self.leaks(), f"no leak; there is {self.leaks()}", limit=15)

    # --- the CLI, as the owner

    def cli(self, *arguments, check=True, timeout=LIMIT, **more):
        return self.exec("banger", *arguments, check=check, timeout=timeout, **more)

    def cli_bytes(self, *arguments, timeout=LIMIT, stdin=b""):
        """The same with bytes, never checked."""
        return subprocess.run([str(self.program), "instance", "exec", "--name", self.name, "--", "banger", *arguments],
                              input=stdin, capture_output=True, timeout=timeout, check=False, env=self.environment)

    def cli_popen(self, *arguments, **more):
        return self.popen("banger", *arguments, **more)

    def vms(self):
        return {vm["name"]: vm for vm in json.loads(self.cli("vm", "list", "--all", "-o", "json").stdout)}

    def state_of(self, name):
        return self.vms()[name]["state"]

    def delete_all(self):
        for name in self.vms():
            self.cli("vm", "delete", "--force", name, check=False)
        assert self.vms() == {}

    @contextlib.contextmanager
    def vm(self, name, *options):
        """A running VM, gone afterwards."""
        self.cli("vm", "run", "--detach", "--name", name, *options)
        try:
            yield name
        finally:
            self.cli("vm", "delete", "--force", name, check=False)

    # --- D-Bus from here: root may use the owner's session bus, and a call costs no process

    def bus(self):
        if not self.connection or self.connection.is_closed():
            flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
            self.connection = Gio.DBusConnection.new_for_address_sync(self.session_address(), flags, None, None)
            self.connection.set_exit_on_close(False)
        return self.connection

    def session_address(self):
        """Seen from outside; the same inside."""
        return self.status()["session-bus"]

    def ask(self, path, interface, member, arguments=None, timeout=LIMIT):
        """A call of the daemon: the unpacked answer; a refusal is banger_test.BusError."""
        try:
            reply = self.bus().call_sync(banger_test.MANAGER, path, interface, member, arguments, None, Gio.DBusCallFlags.NONE,
                                         int(timeout * 1000), None)
            return reply.unpack()
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error) or f"{error.domain}:{error.code}"
            Gio.DBusError.strip_remote_error(error)
            raise banger_test.BusError(name, error.message) from None

    def create(self, name, **options):
        """CreateVm: the job's path."""
        values = {"name": GLib.Variant("s", name), **options}
        return self.ask(banger_test.MANAGER_PATH, banger_test.MANAGER, "CreateVm", GLib.Variant("(a{sv})", (values,)))[0]

    def job_property(self, job, name):
        return self.ask(job, PROPERTIES, "Get", GLib.Variant("(ss)", (JOB, name)))[0]

    def wait_for_step(self, job, step, state=("running", "done", "failed")):
        """Until the job has come to this step, or has ended."""
        def reached():
            if self.job_property(job, "State") != "running":
                return True
            return any(name == step and told in state for name, told, _ in self.job_property(job, "Steps"))
        until(reached, f"step {step}", limit=LIMIT)

    # --- what runs and what is left

    def descendants(self):
        """pid → command line of all processes of the instance, with the host's pids."""
        parents, words = {}, {}
        for pid, entry in banger_test.processes():
            try:
                parents[pid] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                words[pid] = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
            except OSError:
                continue
        found, frontier = {}, [self.pid("supervisor")]
        while frontier:
            parent = frontier.pop()
            for pid, above in parents.items():
                if above == parent and pid not in found:
                    found[pid] = [word.decode(errors="replace") for word in words.get(pid, [])]
                    frontier.append(pid)
        return found

    def find(self, part):
        """The pids of "daemon", "helper", or "vmm" (QEMU itself)."""
        def matches(command):
            if part == "vmm":
                return bool(command) and os.path.basename(command[0]).startswith("qemu-system")
            return len(command) >= 2 and os.path.basename(command[0]) == "banger" and command[1] == part
        return [pid for pid, command in self.descendants().items() if matches(command)]

    def kill(self, part):
        """kill -9 of all of a kind that run; how many there were."""
        pids = self.find(part)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                banger_test.kill_and_wait(pid)
        return len(pids)

    def traces(self):
        """What VMs leave behind while they exist; empty when there are none: taps, jails, ledger, mounts, VMMs, disks."""
        inside = pathlib.Path(f"/proc/{self.pid('supervisor')}/root")
        names = [line.split(":")[0].strip() for line in
                 pathlib.Path(f"/proc/{self.pid('supervisor')}/net/dev").read_text().splitlines()[2:]]
        found = [f"link {name}" for name in names if name.startswith("btap-")]
        mounts = pathlib.Path(f"/proc/{self.pid('supervisor')}/mountinfo").read_text().splitlines()
        found += [f"mount {line}" for line in mounts if "/var/lib/banger/" in line]
        found += [f"process {pid} {command}" for pid, command in self.descendants().items()
                  if any(word in " ".join(command[:2]) for word in ("qemu", "bwrap"))]
        for folder in ("var/lib/banger/jails", "home/banger-owner/.local/share/banger/vms"):
            if (inside / folder).is_dir():
                found += [f"{folder}/{path.name}" for path in (inside / folder).iterdir()]
        return found

    def expect_no_traces(self):
        until(lambda: not self.traces(), f"nothing left; there is {self.traces()}", limit=30)
        assert self.vms() == {}


class Terminal:
    """A command of the CLI on a pseudo-terminal of its own."""

    def __init__(self, guests, *arguments, rows=24, columns=80):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (rows, columns))

        def become_leader():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [str(guests.program), "instance", "exec", "--name", guests.name, "--", "banger", *arguments], stdin=slave,
            stdout=slave, stderr=slave, close_fds=True, preexec_fn=become_leader, env={**guests.environment, "TERM": "xterm"})
        os.close(slave)
        self.text = ""

    def expect(self, wanted, limit=LIMIT):
        """Reads until the text holds `wanted`; takes all up to it away."""
        while wanted not in self.text:
            ready, _, _ = select.select([self.master], [], [], limit)
            assert ready, f"waited for {wanted!r} in vain; there is {self.text!r}"
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError:
                raise AssertionError(f"the terminal closed before {wanted!r}; there is {self.text!r}") from None
        before, _, self.text = self.text.partition(wanted)
        return before

    def send(self, text):
        os.write(self.master, text.encode())

    def resize(self, rows, columns):
        termios.tcsetwinsize(self.master, (rows, columns))

    def end(self, limit=LIMIT):
        """Its exit status, when it has ended; what it still says is read and dropped."""
        deadline_fd = os.pidfd_open(self.process.pid)
        try:
            while True:
                ready, _, _ = select.select([deadline_fd, self.master], [], [], limit)
                assert ready, f"did not end; there is {self.text!r}"
                if self.master in ready:
                    try:
                        self.text += os.read(self.master, 65536).decode(errors="replace")
                        continue
                    except OSError:
                        return self.process.wait(limit)
                return self.process.wait(limit)
        finally:
            os.close(deadline_fd)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
