"""What an owner who means harm can try with the helper, beyond what the tests of each method try: calls made up at random, programs
that others can change, files that change under its hands. Each is refused in words, and nothing is left."""
import json
import pathlib
import threading


from helper_parts import BRIDGE, NETWORK, NULL, SIGNATURES, VM, VM2, error_of

FUZZ = pathlib.Path(__file__).resolve().parents[1] / "lib" / "bus_fuzz.py"
REFUSALS = {error_of(name) for name in ("InvalidArgument", "NotFound", "FailedPrecondition", "NotAuthorized", "Busy", "Unavailable",
                                        "Unsupported", "AlreadyExists", "Timeout")}
# The bus library's own, for what is not of the method's types, or has too few descriptors; and the bus's, whose bounds on
# descriptors under way a slow helper reaches.
OF_THE_BUS = {"org.freedesktop.DBus.Error.LimitsExceeded", "org.freedesktop.DBus.Error.InvalidArgs", "org.freedesktop.DBus.Error.UnknownMethod",
              "org.freedesktop.DBus.Error.InvalidSignature", "org.freedesktop.DBus.Error.InconsistentMessage"}
EXPECTED = REFUSALS | OF_THE_BUS | {"", "waits"}


def fuzz(world, user, seed, calls, network):
    request = {"seed": seed, "calls": calls, "vms": [VM, VM2], "bridges": [BRIDGE, "br-fc"], "networks": [network, "172.30.9.1/24"],
               "addresses": [network.replace(".1/24", ".2"), "172.30.9.2"]}
    result = world.instance.exec("/usr/bin/python3", "-I", "-c", FUZZ.read_text(), user=user, input=json.dumps(request), timeout=120)
    return json.loads(result.stdout)


def test_calls_made_up_at_random(world):
    """Two owners at once, each with the other's names among the words."""
    pid, answers = world.helper_pid(), {}
    callers = [threading.Thread(target=lambda u=user, n=seed, w=network: answers.update({u: fuzz(world, u, n, 600, w)}))
               for user, seed, network in (("owner", 1, "172.30.8.1/24"), ("other", 2, "172.30.7.1/24"))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=300)
    world.reset()
    assert set(answers) == {"owner", "other"}
    told = [answer for of_one in answers.values() for answer in of_one]
    assert {name for name, _, _ in told} == set(SIGNATURES)
    assert [answer for answer in told if answer[1] not in EXPECTED] == []
    assert sum(error == "" for _, error, _ in told) > 50  # it went deep, too
    assert world.helper_pid() == pid, "the helper was not killed by it"


def test_a_program_that_others_can_change_is_not_run(world):
    """Each time the helper looks anew at what it is about to run."""
    program = world.instance.inside_program().replace("/bin/banger", "/bin/banger-qemu")
    changes = {"group's to write": "chmod g+w /run/fake", "everybody's to write": "chmod o+w /run/fake",
               "another's": "chown 64001 /run/fake", "not executable": "chmod a-x /run/fake"}
    for what, change in changes.items():
        world.root(f"cp {program} /run/fake && {change} && mount --bind /run/fake {program}")
        try:
            error = world.refused("Launch", VM, options=NULL)
            assert error.name == error_of("FailedPrecondition") and "root alone" in error.message, what
        finally:
            world.root(f"umount {program}; rm /run/fake")
    world.call("Launch", VM, options=NULL)
    world.call("Cleanup", VM)


def test_files_without_a_name(world):
    """Memory, and a file that was deleted: nothing that a jail could show to its VMM."""
    script = f"""
import os, tempfile
from gi.repository import Gio, GLib
deleted = tempfile.TemporaryFile()
for fd in (os.memfd_create("plain"), os.memfd_create("sealable", os.MFD_ALLOW_SEALING), deleted.fileno()):
    files = Gio.UnixFDList.new()
    files.append(fd)
    options = {{"vmm": GLib.Variant("s", "null"), "kernel": GLib.Variant("h", 0)}}
    try:
        Gio.bus_get_sync(Gio.BusType.SYSTEM).call_with_unix_fd_list_sync("org.banger.Helper1", "/org/banger/Helper1",
            "org.banger.Helper1.Machine", "Launch", GLib.Variant("(sa{{sv}})", ("{VM}", options)), None, 0, -1, files)
        print("accepted")
    except GLib.Error as error:
        print(Gio.DBusError.get_remote_error(error), error.message.splitlines()[0])
"""
    told = world.instance.exec("/usr/bin/python3", "-I", "-c", script).stdout.splitlines()
    assert len(told) == 3
    for line in told:
        assert line.startswith(error_of("FailedPrecondition")) and "deleted" in line, line


def test_a_folder_that_changes_places_in_a_loop(world):
    """The owner swaps a folder of the jail with a link to elsewhere, all the while it is removed."""
    world.root("mkdir -p /tmp/precious/inner && touch /tmp/precious/file /tmp/precious/inner/file")
    script = """
import os, sys
os.chdir(sys.argv[1])
os.mkdir("real")
for n in range(200):
    open(f"real/{n}", "w").close()
os.symlink("/tmp/precious", "link")
print("go", flush=True)
try:
    while True:
        os.rename("real", "aside"); os.rename("link", "real"); os.rename("real", "link"); os.rename("aside", "real")
except OSError:
    pass
"""
    for _ in range(8):
        world.call("Launch", VM, options=NULL)
        run = f"/var/lib/banger/jails/64001-{VM}/run"
        swapping = world.instance.popen("/usr/bin/python3", "-I", "-c", script, run, stdout=-1)
        assert swapping.stdout.readline() == b"go\n"
        world.call("Cleanup", VM)
        swapping.wait(timeout=30)
        swapping.stdout.close()
    assert world.root("find /tmp/precious -type f | wc -l").strip() == "2"
    world.root("rm -r /tmp/precious")


def test_a_long_list_is_refused_before_it_is_looked_at(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    many = {f"key-{number}": ["s", "x" * 1000] for number in range(2000)}
    error = world.refused("CreateTap", VM, BRIDGE, options=many)
    assert error.name == error_of("InvalidArgument") and len(error.message) < 2000
    world.call("DeleteBridge", BRIDGE)
