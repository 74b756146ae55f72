"""The system tier's machine: a Debian under QEMU with systemd, D-Bus, polkit, device-mapper, vhost-vsock, resolved and nested KVM.

How to write a test
    A file takes one machine for its tests, by a fixture of conftest.py, and gets it within seconds, booted and idle:

        machine     Debian alone: what banger needs of it
        staged      with the build under test laid down by `cmake --install`, and nothing else
        installed   with owners alice and bob registered as well; `stranger` is a third account, without any right

        def test_that(installed):
            installed.run("banger vm list", user="alice")                   # raises Failed unless the status is 0
            refused = installed.run(["busctl", "call", …], user="stranger", check=False)
            assert refused.status != 0 and "Access denied" in refused.stderr

    A test that breaks things for those after it takes a machine of its own:  with system(owners=["alice"]) as m: …

    m.run(command, user="root", check=True, timeout=60, input=…, cwd=…, env=…) → Result: status, stdout, stderr, out (bytes).
        A text is run by bash, a list as it is. Accounts run it in a real login session: logind knows it, polkit takes it for
        active and local, `systemctl --user`, `busctl --user` and $XDG_RUNTIME_DIR are there. Nobody has sudo.
    m.start(…) → Running, with wait() and signal(): a command beside others. Commands of one account run side by side.
    m.put(file or bytes, path, user, mode), m.get(path) → bytes; m.unpack(tar bytes) below /.
    m.until(command, what, user) repeats a command until its status is 0.
    m.call(interface, member, signature, arguments, user, files) → values of Helper1, or BusError; m.bus_call() for the others.
    m.journal(unit), m.failed_units(), m.trace() (what banger's work leaves: links, tables, loops, dm, mounts, files, units).
    m.reboot() goes through an orderly shutdown, m.cut_power() does not; both come back with the same disk, and take 20 to 60 s.
    m.give_guests(user): a kernel and an image in the account's store, for VMs inside of the machine. These are slow (see
        vm_run() in test_helper_activated.py): few of them, with generous limits and more than one try.
    OUTSIDE:ECHO_PORT is a service beyond eth0 that sends back what it is sent; nothing else is there to be reached.

    A failed test shows the end of the machine's journal. $BANGER_TEST_FIRECRACKER_DIR (a folder with `firecracker` and `jailer`)
    puts these into /usr/local/bin of machines that have the build.

How it works
    root.py makes the root filesystem with mmdebstrap, from `packages`, the run-time packages of tools/packages, and the packages
    of the libraries that the build is linked with: a minute or two. boot.py boots it once, waits until it is idle, and saves
    memory and devices with QEMU's migration to a file: half a minute. Both are kept (cache.py) under the hash of what
    they are made from. Each machine of a test goes on from there in about two seconds, on an overlay of the disk of its own.
    The processor is always emulated (TCG), with AMD's virtualisation in it, hence KVM: the same everywhere, and slow.
"""
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import time

import boot
import root
import vm
from vm import ECHO_PORT, OUTSIDE, Failed  # noqa: F401

sys.path.insert(0, str(root.TOP / "tests" / "lib"))

from banger_test import BUILD, HELPER, HELPER_PATH, BusError  # noqa: E402

OWNERS = ("alice", "bob")
GUEST_KERNEL, GUEST_IMAGE = "/opt/guest/kernel.deb", "/opt/guest/rootfs.ext4"


class System:
    """A running machine. Made by system()."""

    def __init__(self, root_folder, booted_folder, folder):
        self.root_folder, self.folder = root_folder, folder
        self.disk = folder / "disk.qcow2"
        vm.overlay(self.disk, below=booted_folder / "disk.qcow2")
        self.qemu = vm.Qemu(root_folder, self.disk, folder, state=booted_folder / "state")
        self.set_clock()

    def set_clock(self):
        """A resumed machine believes that it is the time at which it was saved."""
        self.run(["date", "--utc", "--set", f"@{time.time():.3f}"])

    # --- commands and files

    def start(self, command, user="root", input=b"", timeout=60, cwd=None, env=None):
        return self.qemu.start(command, user, input, timeout, cwd, env)

    def run(self, command, user="root", check=True, timeout=60, input=b"", cwd=None, env=None):
        return self.start(command, user, input, timeout, cwd, env).wait(check)

    def put(self, content, path, user="root", mode="0644"):
        """A file with this content (bytes, text, or a path on the host), owned by the user; folders on the way are made."""
        data = content.read_bytes() if isinstance(content, pathlib.Path) else content
        self.run(["/bin/sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "put", str(path), mode], user=user,
                 input=data, timeout=300)

    def get(self, path, user="root"):
        return self.run(["cat", str(path)], user=user, timeout=300).out

    def unpack(self, archive):
        """A tar archive's content, laid down from / on."""
        self.run(["tar", "-x", "-C", "/", "--numeric-owner", "-f", "-"], input=archive, timeout=300)

    def until(self, command, what=None, user="root", limit=60):
        """Repeats the command until it succeeds; its Result."""
        deadline = time.monotonic() + limit
        while True:
            result = self.run(command, user=user, check=False)
            if result.status == 0:
                return result
            assert time.monotonic() < deadline, f"waited {limit} s in vain for {what or 'success'}: {result}"
            time.sleep(0.1)

    # --- D-Bus

    def bus_call(self, destination, path, interface, member, signature="()", arguments=(), user="alice", bus="system", files=(),
                 interactive=False, timeout=60):
        """As banger_test.Instance.call(): the list of returned values, or BusError."""
        request = {"bus": bus, "destination": destination, "path": path, "interface": interface, "member": member,
                   "signature": signature, "arguments": list(arguments), "files": [list(map(str, file)) for file in files],
                   "interactive": interactive, "timeout": timeout}
        script = (root.TOP / "tests" / "lib" / "bus_call.py").read_text(encoding="utf-8")
        answer = json.loads(self.run(["python3", "-I", "-c", script], user=user, input=json.dumps(request), timeout=timeout + 30).stdout)
        if "error" in answer:
            raise BusError(answer["error"], answer["message"])
        return answer["value"]

    def call(self, interface, member, signature="()", arguments=(), user="alice", **more):
        """A call of the helper: call("Network", "DeleteTap", "(s)", [vm])."""
        return self.bus_call(HELPER, HELPER_PATH, f"{HELPER}.{interface}", member, signature, arguments, user, **more)

    # --- what there is

    def journal(self, unit=None, lines=200):
        chosen = ["--unit", unit] if unit else []
        return self.run(["journalctl", "--boot", "--no-pager", "--output=short-monotonic", f"--lines={lines}", *chosen]).stdout

    def failed_units(self):
        return self.run("systemctl list-units --failed --plain --no-legend").stdout.splitlines()

    def trace(self):
        """What banger's work could leave behind; equal before and after a test that cleans up."""
        def lines(command):
            return sorted(self.run(command, check=False).stdout.splitlines())

        return {"links": lines("ip -br link | awk '{print $1}'"), "addresses": lines("ip -br -4 addr"),
                "routes": lines("ip route"), "rules": self.run("nft list ruleset").stdout,
                "loops": lines("losetup -nO NAME,BACK-FILE"), "mappings": lines("dmsetup ls"),
                "mounts": lines("findmnt -rno TARGET,SOURCE | grep -v -e ^/run/user -e /run/credentials"),
                "units": lines("systemctl list-units --all --plain --no-legend 'banger-vm*' | awk '{print $1}'"),
                "jails": lines("ls -A /var/lib/banger/jails"), "ledger": lines("ls -A /run/banger/ledger")}

    def complain(self):
        """Shows what happened, for a test that failed."""
        with contextlib.suppress(AssertionError, OSError):
            print("--- the machine's journal", self.journal(lines=120), sep="\n", file=sys.stderr)
            return
        print("--- the machine's console", self.qemu.complaint(), sep="\n", file=sys.stderr)

    # --- the machine's life

    def boot(self):
        self.qemu = vm.Qemu(self.root_folder, self.disk, self.folder)
        boot.wait_for_boot(self.qemu)

    def reboot(self):
        self.start("systemctl reboot")
        self.qemu.wait(boot.LIMIT)
        self.boot()

    def cut_power(self):
        """What the machine has not brought to its disk is lost."""
        self.qemu.kill()
        self.boot()

    # --- banger in it

    def stage(self):
        """Lays the build down as a package would."""
        self.unpack(staged_build())
        folder = os.environ.get("BANGER_TEST_FIRECRACKER_DIR")
        for name in ("firecracker", "jailer") if folder else ():
            self.put(pathlib.Path(folder) / name, f"/usr/local/bin/{name}", mode="0755")

    def register(self, owners):
        """Says who may use the helper, with the files that `banger system install` writes."""
        render = Renderer(owners)
        self.put(render.bus_policy(), "/etc/dbus-1/system.d/org.banger.Helper1.conf")
        self.put(render.polkit_rules(), "/etc/polkit-1/rules.d/60-banger.rules")
        self.put(render.metadata(), "/etc/banger/install.toml")

    def reload(self):
        """Has managers and buses read the files that were put there, as a package's triggers and the next login would."""
        script = ("systemctl $0 daemon-reload && "
                  "busctl $0 call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig")
        waiting = [self.start(["/bin/sh", "-c", script, "--system" if account == "root" else "--user"], user=account)
                   for account in ("root", *root.ACCOUNTS)]  # side by side: each takes seconds
        for running in waiting:
            running.wait(check=True)

    def give_guests(self, user):
        """A kernel and an image in the account's store. The image goes there as a file: `image build` needs a mirror."""
        metadata = {"schema": 1, "name": "guest", "source": "the test machine", "suite": "", "created_at": "2025-01-01T00:00:00Z",
                    "virtual_size": 64 << 20, "packages": []}
        folder = f"/home/{user}/.local/share/banger/images/guest"
        # The machine's KVM is for everybody here: a VMM has its owner's uid and no group.
        self.put('KERNEL=="kvm", MODE="0666"\n', "/etc/udev/rules.d/70-kvm.rules")
        self.run("udevadm control --reload && udevadm trigger --settle --name-match=/dev/kvm")
        self.run(f"systemctl --user stop banger-daemon && mkdir -p {folder} && cp --sparse=always {GUEST_IMAGE} {folder}/", user=user)
        self.put(json.dumps(metadata), f"{folder}/metadata.json", user=user)
        self.run(["banger", "kernel", "import", "--name", "guest", "--deb", GUEST_KERNEL], user=user, timeout=240)


class Renderer:
    """Fills the templates of dbus/ and polkit/ for these owners."""

    def __init__(self, owners):
        self.owners = owners

    def bus_policy(self):
        text = (root.TOP / "dbus" / "org.banger.Helper1.conf.in").read_text(encoding="utf-8")
        head, _, rest = text.partition("  <!-- begin owner: repeated for each registered owner -->\n")
        block, _, tail = rest.partition("  <!-- end owner -->\n")
        return head + "".join(block.replace("@owner@", owner) for owner in self.owners) + tail

    def polkit_rules(self):
        text = (root.TOP / "polkit" / "60-banger.rules.in").read_text(encoding="utf-8")
        return text.replace("@owners@", ", ".join(f'"{owner}"' for owner in self.owners))

    def metadata(self):
        owners = "".join(f'[[owner]]\nname = "{name}"\nuid = {root.ACCOUNTS[name]}\ngid = {root.ACCOUNTS[name]}\n' for name in self.owners)
        return f'version = "0.1.0"\n[paths]\nbindir = "/usr/bin"\n{owners}'


def staged_build():
    """`cmake --install` of the build under test, with prefix /usr and without debug information, as a tar archive."""
    with tempfile.TemporaryDirectory(prefix="banger-stage-") as folder:
        subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr", "--strip"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": folder})
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            def of_root(member):
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                return member
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if not path.is_dir() or path.is_symlink():  # folders that are there are left alone, others made
                    tar.add(path, arcname=path.relative_to(folder), filter=of_root)
        return archive.getvalue()


@contextlib.contextmanager
def system(staged=True, owners=OWNERS):
    """A machine of one's own; with the build unless told, and with these owners registered."""
    with boot.booted(BUILD) as (root_folder, booted_folder), tempfile.TemporaryDirectory(prefix="banger-system-") as folder:
        made = System(root_folder, booted_folder, pathlib.Path(folder))
        try:
            if staged:
                made.stage()
            if staged and owners:
                made.register(owners)
            if staged:
                made.reload()
            yield made
        finally:
            made.qemu.kill()
