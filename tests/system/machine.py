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

    m.run(command, user="root", check=True, timeout=…, input=…, cwd=…, env=…) → Result: status, stdout, stderr, out (bytes).
        A text is run by bash, a list as it is. Accounts run it in a real login session: logind knows it, polkit takes it for
        active and local, `systemctl --user`, `busctl --user` and $XDG_RUNTIME_DIR are there. Nobody has sudo.
    m.start(…) → Running, with wait() and signal(): a command beside others. Commands of one account run side by side.
    m.put(file or bytes, path, user, mode), m.get(path) → bytes.
    m.until(command, what, user) repeats a command until its status is 0.
    m.call(interface, member, signature, arguments, user, files) → values of Helper1, or BusError; m.bus_call() for the others.
    m.journal(unit), m.failed_units(), m.trace() (what banger's work leaves: links, tables, loops, dm, mounts, files, units),
        with m.unchanged(): … (it leaves nothing).
    m.reboot() goes through an orderly shutdown, m.cut_power() does not; both come back with the same disk, and take 20 to 60 s.
    m.give_guests(user): a kernel and an image in the account's store, for VMs inside of the machine. They are slow:
        few of them, by m.vm_run(), which has a generous limit and more than one try.
    OUTSIDE:ECHO_PORT is a service beyond eth0 that sends back what it is sent; nothing else is there to be reached.

    m.begin_call(…) is m.call(), not waited for. A failed test shows the end of the machine's console and journal.
    $BANGER_TEST_FIRECRACKER_DIR (a folder with `firecracker` and `jailer`) puts these into /usr/local/bin of machines that have the
    build.

How it works
    root.py makes the root filesystem with mmdebstrap, from `packages`, the run-time packages of tools/packages, and the packages
    of the libraries that the build is linked with: a minute or two. boot.py boots it once, waits until it is idle, and saves
    memory and devices with QEMU's migration to a file: half a minute; and once more with the build laid down. All is kept
    (cache.py) under the hash of what it is made from. Each machine of a test goes on from there in about two seconds, on an
    overlay of the disk of its own. One that hangs in this is started once more, and a line says so.
    The processor is always emulated (TCG), with AMD's virtualisation in it, hence KVM: the same everywhere, and slow.
"""
import contextlib
import json
import pathlib
import sys
import tempfile
import time

import boot
import root
import staging
import vm
from vm import ECHO_PORT, OUTSIDE, Failed  # noqa: F401

sys.path.insert(0, str(root.TOP / "tests" / "lib"))

from banger_test import BUILD, HELPER, HELPER_PATH, BusError  # noqa: E402

OWNERS = ("alice", "bob")
BUS_CALL = vm.Script((root.TOP / "tests" / "lib" / "bus_call.py").read_text(encoding="utf-8"))
TRACE = vm.Script((root.HERE / "trace.py").read_text(encoding="utf-8"))
LIMIT = 120  # seconds for what takes one or two, when the host has nothing else to do
GUEST_LIMIT = 180  # seconds for a guest of an emulated processor; 8 to 12 when there is nothing else to do
GUEST_KERNEL, GUEST_IMAGE = "/opt/guest/kernel.deb", "/opt/guest/rootfs.ext4"
RUNNING = []  # all machines of this process, for who reports a failure


class System:
    """A running machine. Made by system()."""

    def __init__(self, root_folder, booted_folder, folder):
        self.root_folder, self.folder, self.last_trace = root_folder, folder, None
        self.qemu = boot.resume(root_folder, booted_folder, folder)

    # --- commands and files

    def start(self, command, user="root", input=b"", timeout=LIMIT, cwd=None, env=None):
        return self.qemu.start(command, user, input, timeout, cwd, env)

    def run(self, command, user="root", check=True, timeout=LIMIT, input=b"", cwd=None, env=None):
        return self.start(command, user, input, timeout, cwd, env).wait(check)

    def put(self, content, path, user="root", mode="0644"):
        """A file with this content (bytes, text, or a path on the host), owned by the user; folders on the way are made."""
        data = content.read_bytes() if isinstance(content, pathlib.Path) else content
        self.run(["/bin/sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"', "put", str(path), mode], user=user,
                 input=data, timeout=300)

    def get(self, path, user="root"):
        return self.run(["cat", str(path)], user=user, timeout=300).out

    def until(self, command, what=None, user="root", limit=LIMIT):
        """Repeats the command until it succeeds; its Result."""
        deadline = time.monotonic() + limit
        while True:
            result = self.run(command, user=user, check=False)
            if result.status == 0:
                return result
            assert time.monotonic() < deadline, f"waited {limit} s in vain for {what or 'success'}: {result}"
            time.sleep(0.1)

    # --- D-Bus

    def begin_bus_call(self, destination, path, interface, member, signature="()", arguments=(), user="alice", bus="system", files=(),
                       interactive=False, timeout=LIMIT):
        """The same as bus_call(), and not waited for: Running, whose output is the answer as JSON (bus_call.py)."""
        request = {"bus": bus, "destination": destination, "path": path, "interface": interface, "member": member,
                   "signature": signature, "arguments": list(arguments), "files": [list(map(str, file)) for file in files],
                   "interactive": interactive, "timeout": timeout}
        return self.start(BUS_CALL, user=user, input=json.dumps(request), timeout=timeout + 30)

    def bus_call(self, destination, path, interface, member, signature="()", arguments=(), user="alice", bus="system", files=(),
                 interactive=False, timeout=LIMIT):
        """As banger_test.Instance.call(): the list of returned values, or BusError."""
        answer = self.begin_bus_call(destination, path, interface, member, signature, arguments, user, bus, files, interactive, timeout)
        answer = json.loads(answer.wait(check=True).stdout)
        if "error" in answer:
            raise BusError(answer["error"], answer["message"])
        return answer["value"]

    def call(self, interface, member, signature="()", arguments=(), user="alice", **more):
        """A call of the helper: call("Network", "DeleteTap", "(s)", [vm])."""
        return self.bus_call(HELPER, HELPER_PATH, f"{HELPER}.{interface}", member, signature, arguments, user, **more)

    def begin_call(self, interface, member, signature="()", arguments=(), user="alice", **more):
        return self.begin_bus_call(HELPER, HELPER_PATH, f"{HELPER}.{interface}", member, signature, arguments, user, **more)

    # --- what there is

    def journal(self, unit=None, lines=200):
        chosen = ["--unit", unit] if unit else []
        return self.run(["journalctl", "--boot", "--no-pager", "--output=short-monotonic", f"--lines={lines}", *chosen]).stdout

    def failed_units(self):
        return self.run("systemctl list-units --failed --plain --no-legend").stdout.splitlines()

    def trace(self):
        """What banger's work could leave behind; equal before and after a test that cleans up."""
        return json.loads(self.run(TRACE).stdout)

    @contextlib.contextmanager
    def unchanged(self):
        """Nothing may be left of what is done in the block. Where blocks follow one another, only such blocks may change anything:
        the end of one is the beginning of the next."""
        before, self.last_trace = self.last_trace or self.trace(), None
        yield
        after = self.trace()
        assert after == before
        self.last_trace = after

    def complaint(self):
        """[(title, text)] of what happened, for a test that failed."""
        told = [("the machine's console and QEMU", self.qemu.complaint())]
        with contextlib.suppress(AssertionError, OSError):  # it hangs, or is gone
            told.append(("the machine's journal", self.journal(lines=150)))
        return told

    # --- the machine's life

    def boot(self):
        self.qemu = boot.start(self.root_folder, self.folder / "disk.qcow2", self.folder)

    def reboot(self):
        self.start("systemctl reboot")
        self.qemu.wait(boot.LIMIT)
        self.boot()

    def cut_power(self):
        """What the machine has not brought to its disk is lost."""
        self.qemu.kill()
        self.boot()

    # --- banger in it

    def register(self, owners):
        """Says who may use the helper, with the files that `banger system install` writes."""
        render = staging.Renderer(owners)
        self.put(render.bus_policy(), "/etc/dbus-1/system.d/org.banger.Helper1.conf")
        self.put(render.polkit_rules(), "/etc/polkit-1/rules.d/60-banger.rules")
        self.put(render.metadata(), "/etc/banger/install.toml")
        self.run("busctl call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus ReloadConfig")
        for owner in owners:
            self.until("pkcheck --action-id org.banger.helper.machine --process $$", "polkit has read the rule", user=owner)

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

    def vm_run(self, *command, user="alice", vmm="auto"):
        """`banger vm run --rm`. An emulated processor's KVM now and then hangs a guest's early boot, and is slow beside anything
        else: hence more tries, for what took too long and nothing else."""
        words = ["banger", "vm", "run", "--rm", "--vmm", vmm, "--ready-timeout", "90s", "--", *command]
        for _ in range(3):
            result = self.run(words, user=user, check=False, timeout=GUEST_LIMIT)
            if result.status != 125 or not ("not ready within" in result.stderr or "did not answer in time" in result.stderr):
                break
            boot.note(f"a guest was not ready in time, and was started once more: {result.stderr.splitlines()[-1]}")
        return result


@contextlib.contextmanager
def system(staged=True, owners=OWNERS):
    """A machine of one's own; with the build unless told, and with these owners registered."""
    with boot.booted(BUILD, staged) as (root_folder, booted_folder), tempfile.TemporaryDirectory(prefix="banger-system-") as folder:
        made = System(root_folder, booted_folder, pathlib.Path(folder))
        RUNNING.append(made)
        try:
            if staged and owners:
                made.register(owners)
            yield made
        finally:
            RUNNING.remove(made)
            made.qemu.kill()
