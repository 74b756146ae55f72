"""What the tests that need buses, accounts and root share: a private instance, calls into it, and the look for leaks.

The programs come from $BANGER_BUILD_DIR/bin (CTest sets it). Everything waits for events with limits that are generous and
fatal; until() is the one place that asks again and again, for what has no event.
"""
import contextlib
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid

BUILD = pathlib.Path(os.environ.get("BANGER_BUILD_DIR", "build/debug")).resolve()
BANGER = BUILD / "bin" / "banger"
RUN_ROOT = pathlib.Path("/run/banger-instance")
ACCOUNTS = {"owner": 64001, "other": 64002, "stranger": 64003}
LIMIT = 60.0
NAMESPACES = ("pid", "mnt", "net", "ipc", "uts")

HELPER = "org.banger.Helper1"
HELPER_PATH = "/org/banger/Helper1"
MANAGER = "org.banger.Manager1"
MANAGER_PATH = "/org/banger/Manager1"
DBUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")  # the bus itself, for call(*DBUS, …)


class BusError(Exception):
    """An error reply: .name is the D-Bus error name, .message its text."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


def run(arguments, check=True, timeout=LIMIT, **more):
    """Runs a command to its end, collecting its outputs as text."""
    result = subprocess.run([str(a) for a in arguments], text=True, timeout=timeout, capture_output=True, **more)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, arguments))}: status {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def until(condition, what, limit=LIMIT):
    """The first true value of condition(), asked for again and again; fails after `limit` seconds. `what`: text, or what makes it then."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {limit} s in vain: {what() if callable(what) else what}"
        time.sleep(0.02)


@contextlib.contextmanager
def program_for_all():
    """A copy of the program that any account reaches; the build folder need not be within its reach."""
    with tempfile.TemporaryDirectory(prefix="banger-test-") as folder:
        os.chmod(folder, 0o755)
        yield shutil.copy(BANGER, folder)


def kill_and_wait(pid, number=signal.SIGKILL, limit=LIMIT):
    """Signals a process and waits until it has ended."""
    fd = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(fd, number)
        ready, _, _ = select.select([fd], [], [], limit)
        assert ready, f"process {pid} did not end"
    finally:
        os.close(fd)


def wait_ended(pid, limit=LIMIT):
    """Waits until a process has ended."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], limit)[0], f"process {pid} did not end"
    finally:
        os.close(fd)


def processes():
    """(pid, folder in /proc) of every process but zombies."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] not in "ZX":
                    yield int(entry.name), entry
            except OSError:
                continue


def namespaces_of(pid):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in NAMESPACES}


def holders(namespaces):
    """Processes in any of these namespaces: 'pid 12 net:[402…]'."""
    found = []
    for pid, entry in processes():
        for kind, name in namespaces.items():
            try:
                if os.readlink(entry / "ns" / kind) == name:
                    found.append(f"pid {pid} {name} {(entry / 'cmdline').read_bytes()!r}")
            except OSError:
                continue
    return found


def others_namespaces(name):
    """The namespaces of all other instances that run now."""
    found = set()
    for pid, entry in processes():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if words[1:4] == [b"instance", b"start", b"--name"] and words[4] != name.encode():
                found |= set(namespaces_of(pid).values())
        except (OSError, IndexError):
            continue
    host = set(namespaces_of("self").values())
    return found - host


class HostWatch:
    """What of the host an instance must not change; compare with another one's."""

    def __init__(self):
        links = json.loads(run(["ip", "-j", "link"]).stdout)
        self.links = sorted(link["ifname"] for link in links)
        self.addresses = run(["ip", "-o", "addr"]).stdout
        self.routes = run(["ip", "route"]).stdout
        self.rules = run(["nft", "list", "ruleset"], check=False).stdout if shutil.which("nft") else ""
        self.forwarding = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
        self.hostname = os.uname().nodename
        self.resolver = pathlib.Path("/etc/resolv.conf").read_text()

    def __eq__(self, other):
        return vars(self) == vars(other)


class Instance:
    """A private instance with a name and a state folder of its own. A context manager: leaving it stops the instance and
    looks for leaks; when the block failed, the logs are printed first."""

    def __init__(self, network="none", polkit="real", program=None, environment=None, name=None):
        self.name = name or "t-" + uuid.uuid4().hex[:12]
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="banger-test-"))
        self.folder.chmod(0o711)
        self.state_dir = self.folder / "state"
        self.network, self.polkit = network, polkit
        self.program = pathlib.Path(program or BANGER)
        self.environment = {**os.environ, **(environment or {})}
        self.environment.pop("BANGER_INSTANCE_DIR", None)
        self.seen = []  # the namespaces of every supervisor that was

    @property
    def run_dir(self):
        return RUN_ROOT / self.name

    @property
    def home(self):
        """The owner's home, as seen from outside; inside it is /home/banger-owner."""
        return self.state_dir / "home"

    def banger(self, *arguments, check=True, timeout=120, **more):
        """`banger instance …` of this instance."""
        verb, rest = arguments[0], arguments[1:]
        return run([self.program, "instance", verb, "--name", self.name, *rest], check=check, timeout=timeout,
                   env=self.environment, **more)

    def start_arguments(self):
        return ["--state", self.state_dir, "--network", self.network, "--polkit", self.polkit]

    def start(self, **more):
        result = self.banger("start", *self.start_arguments(), **more)
        self.note()
        return result

    def note(self):
        pid = self.status().get("pids", {}).get("supervisor")
        if pid:
            self.seen.append(namespaces_of(pid))

    def stop(self, *arguments, **more):
        return self.banger("stop", *arguments, **more)

    def status(self):
        return json.loads(self.banger("status", "-o", "json", check=False).stdout)

    def inside_program(self):
        """Where the programs are that the instance runs: the build's, or what stands in for a folder closed to its accounts."""
        return self.status()["bindir"] + "/banger"

    def pid(self, part):
        """The host's pid of supervisor, system-bus, session-bus, polkitd or uplink."""
        return self.status()["pids"][part]

    def exec(self, *command, user="owner", check=True, timeout=LIMIT, **more):
        """Runs a command inside, as a user, to its end."""
        return run([self.program, "instance", "exec", "--name", self.name, "--user", user, "--", *command], check=check,
                   timeout=timeout, env=self.environment, **more)

    def popen(self, *command, user="owner", **more):
        """Starts a command inside."""
        return subprocess.Popen([str(self.program), "instance", "exec", "--name", self.name, "--user", user, "--",
                                 *map(str, command)], env=self.environment, **more)

    def call(self, destination, path, interface, member, signature="()", arguments=(), user="owner", bus=None, files=(),
             interactive=False, timeout=LIMIT):
        """A D-Bus call by a user: the list of returned values, or BusError. See bus_call.py for the arguments' form."""
        bus = bus or ("session" if destination == MANAGER else "system")
        request = {"bus": bus, "destination": destination, "path": path, "interface": interface, "member": member,
                   "signature": signature, "arguments": list(arguments), "files": [[str(p), m] for p, m in files],
                   "interactive": interactive, "timeout": timeout}
        script = pathlib.Path(__file__).with_name("bus_call.py").read_text()
        result = self.exec("/usr/bin/python3", "-I", "-c", script, user=user, input=json.dumps(request), timeout=timeout + 30)
        answer = json.loads(result.stdout)
        if "error" in answer:
            raise BusError(answer["error"], answer["message"])
        return answer["value"]

    def helper(self, interface, member, signature="()", arguments=(), **more):
        """A call of the helper: helper("Network", "DeleteTap", "(s)", [vm])."""
        return self.call(HELPER, HELPER_PATH, f"{HELPER}.{interface}", member, signature, arguments, **more)

    def manager(self, member, signature="()", arguments=(), **more):
        return self.call(MANAGER, MANAGER_PATH, MANAGER, member, signature, arguments, **more)

    def links(self):
        """The network interfaces inside."""
        return sorted(link["ifname"] for link in json.loads(self.exec("ip", "-j", "link", user="root").stdout))

    def resources(self):
        """What the helper's work could leave behind, inside; equal before and after a test that cleans up."""
        def text(*command):
            return sorted(self.exec(*command, user="root", check=False).stdout.splitlines())

        # A file of the machine that is bound inside is shown as deleted once a package puts a newer one in its place.
        mounts = [line.replace("//deleted]", "]") for line in text("findmnt", "-rno", "TARGET,SOURCE")]
        return {"links": self.links(), "addresses": text("ip", "-br", "addr"), "rules": text("nft", "list", "ruleset"),
                "loops": [line for line in text("losetup", "-nO", "NAME,BACK-FILE") if "banger" in line],
                "mounts": mounts, "jails": text("ls", "-A", "/var/lib/banger"),
                "mappings": text("dmsetup", "ls") if shutil.which("dmsetup") else []}

    def leaks(self):
        """What is left of this instance on the host; empty when all is well."""
        found = []
        others = others_namespaces(self.name)
        for namespaces in self.seen:
            # The kernel gives the number of a namespace that is gone to a later one, which may be another instance's.
            found += holders({kind: name for kind, name in namespaces.items() if name not in others})
        marks = [str(self.run_dir).encode() + b"/", self.name.encode()]
        for pid, entry in processes():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if any(mark in words for mark in marks) and pid != os.getpid():
                found.append(f"pid {pid} {words!r}")
        mounts = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        found += [line for line in mounts if self.name in line or str(self.folder) in line]
        found += [str(path) for path in (self.run_dir, RUN_ROOT / (self.name + ".lock")) if path.exists()]
        return found

    def logs(self):
        text = ""
        for path in sorted(self.state_dir.glob("log/*.log")):
            text += f"==> {path.name}\n{path.read_text(errors='replace')[-6000:]}\n"
        return text

    def close(self):
        """Stops, removes the state, and fails when something leaked."""
        self.stop("--state", self.state_dir, "--purge")
        until(lambda: not self.leaks(), f"no leak; there is {self.leaks()}", limit=15)
        assert not self.state_dir.exists(), f"left in the state folder: {list(self.state_dir.rglob('*'))}"
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.complain()
            raise
        return self

    def __exit__(self, kind, *_):
        if kind:
            self.complain()
            self.stop("--state", self.state_dir, "--purge", check=False)
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            self.close()

    def complain(self):
        print(f"--- instance {self.name}\n{json.dumps(self.status(), indent=1)}\n{self.logs()}", file=sys.stderr)
