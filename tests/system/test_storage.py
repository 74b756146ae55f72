"""Snapshots with the real device-mapper, by the helper in its hardened unit."""
import pytest
from banger_test import BusError

UNIT = "banger-helper.service"
VM, VM2 = "0123456789abcdef", "fedcba9876543210"
NAME = f"banger-1001-{VM}"
HOME = "/home/alice"
FILES = [(f"{HOME}/rootfs", "r"), (f"{HOME}/cow", "rw")]


@pytest.fixture(scope="module")
def place(installed):
    installed.run("mkdir -p tree/etc && echo guest > tree/etc/hostname && mke2fs -q -t ext4 -d tree rootfs 64M", user="alice", cwd=HOME)
    yield installed


@pytest.fixture
def machine(place):
    """A new cow; afterwards nothing is left."""
    place.run("rm -f cow cow2 && truncate -s 80M cow && truncate -s 80M cow2", user="alice", cwd=HOME)
    place.call("Machine", "List", "(a{sv})", [{}])
    with place.unchanged():
        yield place
        for vm in (VM, VM2):
            place.call("Machine", "Cleanup", "(sa{sv})", [vm, {}])
        place.until("test -z \"$(losetup -nO NAME)\"", "no loop device is left")
    place.run("systemctl reset-failed")


def create(machine, vm=VM, files=FILES, **more):
    return machine.call("Storage", "CreateSnapshot", "(shha{sv})", [vm, 0, 1, {}], files=files, **more)[0]


def start_create(machine):
    """The same call, under way."""
    return machine.begin_call("Storage", "CreateSnapshot", "(shha{sv})", [VM, 0, 1, {}], files=FILES)


def storage(machine, member, vm=VM, options=None, **more):
    return machine.call("Storage", member, "(sa{sv})", [vm, options or {}], **more)


def read(machine, path):
    return bytes(machine.call("Storage", "ReadImageFile", "(ssa{sv})", [VM, path, {}])[0])


def write(machine, path, content):
    machine.call("Storage", "WriteImageFiles", "(sa(sayuuu)a{sv})", [VM, [[path, content, 0o644, 0, 0]], {}])


def refused(body):
    with pytest.raises(BusError) as error:
        body()
    return error.value


def node(machine):
    """The snapshot's device, once udev has made it: by then nobody makes a file of that name by opening it."""
    machine.until(f"test -b /dev/mapper/{NAME}", "udev has made its node")
    return f"/dev/mapper/{NAME}"


def loops(machine):
    return machine.run("losetup -nO NAME,BACK-FILE,RO,AUTOCLEAR").stdout.splitlines()


def mapped(machine):
    return [line.split()[0] for line in machine.run("dmsetup ls").stdout.splitlines() if line.startswith("banger")]


def kill_helper(machine):
    machine.run(f"kill -KILL $(systemctl show -P MainPID {UNIT})")
    machine.until(f"systemctl show -P ActiveState {UNIT} | grep -qx failed", "systemd has noticed")


def test_a_disk_from_beginning_to_end(machine):
    digest = machine.run(f"sha256sum {HOME}/rootfs").stdout
    assert create(machine) == NAME == create(machine)
    assert mapped(machine) == [NAME] and len(loops(machine)) == 2
    assert sorted(line.split()[2:] for line in loops(machine)) == [["0", "1"], ["1", "1"]]
    assert machine.run(f"stat -Lc '%U %a' {node(machine)}").stdout.split()[0] == "root"
    assert machine.run(f"head -c1 /dev/mapper/{NAME}", user="alice", check=False).status != 0
    storage(machine, "CheckSnapshot")
    storage(machine, "CheckSnapshot", options={"force": ["b", True]})
    assert read(machine, "/etc/hostname") == b"guest\n"
    write(machine, "/etc/hostname", "other\n")
    write(machine, "/etc/new", "x" * 100000)
    storage(machine, "CheckSnapshot", options={"force": ["b", True]})
    for _ in range(2):
        storage(machine, "RemoveSnapshot")
    assert mapped(machine) == []
    machine.until("test -z \"$(losetup -nO NAME)\"", "no loop device is left")
    # The same files are the same disk.
    create(machine)
    assert read(machine, "/etc/hostname") == b"other\n" and read(machine, "/etc/new") == b"x" * 100000
    assert machine.run(f"sha256sum {HOME}/rootfs").stdout == digest
    machine.call("Machine", "Cleanup", "(sa{sv})", [VM, {}])
    assert mapped(machine) == []


def test_what_is_refused(machine):
    create(machine)
    assert refused(lambda: create(machine, VM2)).name.endswith("Busy")  # the same cow
    assert refused(lambda: create(machine, files=[FILES[0], (f"{HOME}/cow2", "rw")])).name.endswith("FailedPrecondition")
    create(machine, VM2, [FILES[0], (f"{HOME}/cow2", "rw")])  # the same rootfs
    assert len(loops(machine)) == 4
    assert storage(machine, "RemoveSnapshot", user="bob") == []
    assert refused(lambda: storage(machine, "CheckSnapshot", user="bob")).name.endswith("NotFound")
    assert len(mapped(machine)) == 2
    image = {"image": ["h", 0]}
    assert refused(lambda: machine.call("Storage", "WriteImageFiles", "(sa(sayuuu)a{sv})", [VM2, [["/a", "x", 420, 0, 0]], image],
                                        files=[(f"{HOME}/rootfs", "rw")])).name.endswith("Busy")


def test_not_while_the_vmm_runs(machine):
    create(machine)
    machine.call("Machine", "Launch", "(sa{sv})", [VM, {"vmm": ["s", "null"]}])
    for member in ("RemoveSnapshot", "CheckSnapshot"):
        error = refused(lambda: storage(machine, member))
        assert error.name.endswith("FailedPrecondition") and "running" in error.message
    assert "running" in refused(lambda: read(machine, "/etc/hostname")).message
    machine.call("Machine", "Kill", "(sa{sv})", [VM, {}])
    storage(machine, "CheckSnapshot")


# As root: takes what e2fsck has of the device, tells about e2fsck, and then tries as e2fsck's uid.
HOLD = """import os, stat, time
got = None
print('looking', flush=True)
open('/run/looking', 'w').close()
while got is None:
    time.sleep(.02)
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if open(f'/proc/{pid}/comm').read() != 'e2fsck\\n':
                continue
            uid = os.stat(f'/proc/{pid}').st_uid
            for name in os.listdir(f'/proc/{pid}/fd'):
                if stat.S_ISBLK(os.stat(f'/proc/{pid}/fd/{name}').st_mode):
                    got = os.open(f'/proc/{pid}/fd/{name}', os.O_PATH)
        except OSError:
            pass
print(uid, flush=True)
open('/run/checked').read()  # a pipe: until it is told
after = os.fstat(got)
print(after.st_uid, after.st_gid, oct(after.st_mode & 0o7777), flush=True)
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
try:
    os.open(f'/proc/self/fd/{got}', os.O_RDONLY)
    print('opened')
except PermissionError:
    print('refused')
"""


def test_what_is_kept_of_a_check_opens_nothing(machine):
    create(machine)
    machine.run("mkfifo /run/checked")
    holder = machine.start(["/usr/bin/python3", "-I", "-c", HOLD], timeout=180)
    machine.until("test -e /run/looking")
    for _ in range(5):
        storage(machine, "CheckSnapshot", options={"force": ["b", True]})
    machine.run("echo > /run/checked")
    assert holder.wait().stdout.splitlines() == ["looking", str(0x70000000 + 1001), "0 0 0o0", "refused"]
    machine.run("rm /run/looking /run/checked")
    storage(machine, "RemoveSnapshot")
    assert mapped(machine) == []


def test_a_device_that_is_held_open(machine):
    create(machine)
    holder = machine.start(f"exec 3<>{node(machine)}; echo held > /run/held; sleep 60")
    machine.until("test -e /run/held")
    assert refused(lambda: storage(machine, "CheckSnapshot")).name.endswith("Busy")
    assert refused(lambda: storage(machine, "RemoveSnapshot")).name.endswith("Busy")
    assert mapped(machine) == [NAME]
    machine.run("rm /run/held; fuser -k /dev/mapper/* || pkill -x sleep", check=False)
    holder.wait(check=False)
    storage(machine, "RemoveSnapshot")
    assert mapped(machine) == []


def test_files_that_change_below_it(machine):
    """Truncated, refilled, removed: errors of reading and writing, no more."""
    create(machine)
    machine.run("truncate -s 1M cow; rm rootfs2; true", user="alice", cwd=HOME)
    machine.run(f"dd if=/dev/zero of={node(machine)} bs=1M count=32 conv=fsync", check=False)
    machine.run("truncate -s 0 cow; echo hello > cow", user="alice", cwd=HOME)
    assert refused(lambda: storage(machine, "CheckSnapshot", options={"force": ["b", True]}))
    storage(machine, "RemoveSnapshot")
    assert refused(lambda: create(machine)).name.endswith("FailedPrecondition")
    machine.run("truncate -s 0 cow; truncate -s 80M cow", user="alice", cwd=HOME)
    create(machine)
    assert read(machine, "/etc/hostname") == b"guest\n"


def test_a_cow_of_something_else(machine):
    machine.run("head -c 1M /dev/urandom > cow", user="alice", cwd=HOME)
    error = refused(lambda: create(machine))
    assert error.name.endswith("FailedPrecondition") and "something else" in error.message
    assert mapped(machine) == [] and loops(machine) == []


def test_a_cow_that_changes_after_it_was_looked_at(machine):
    """Its owner writes another size of chunks into it all the time: the kernel's is 32 sectors, or there is no device."""
    create(machine)
    storage(machine, "RemoveSnapshot")
    script = ("import os, struct; f = os.open('cow', os.O_WRONLY)\n"
              "while True: os.pwrite(f, struct.pack('<I', 8), 12); os.pwrite(f, struct.pack('<I', 32), 12)")
    writer = machine.start(["/usr/bin/python3", "-I", "-c", script], user="alice", cwd=HOME, timeout=300)
    for _ in range(15):
        try:
            create(machine)
            assert machine.run(f"dmsetup table {NAME}").stdout.split()[5:7] == ["P", "32"]
        except BusError:
            assert mapped(machine) == []
        storage(machine, "RemoveSnapshot")
    machine.run("pkill -u alice -f pwrite", check=False)
    writer.wait(check=False)


def test_the_cows_of_an_owner_together(machine):
    vms = [f"{n:016x}" for n in range(5)]
    machine.run("for n in 0 1 2 3 4; do truncate -s 64G vast$n; done", user="alice", cwd=HOME)
    try:
        for n in range(4):
            create(machine, vms[n], [FILES[0], (f"{HOME}/vast{n}", "rw")])
        error = refused(lambda: create(machine, vms[4], [FILES[0], (f"{HOME}/vast4", "rw")]))
        assert error.name.endswith("FailedPrecondition") and "together" in error.message
        storage(machine, "RemoveSnapshot", vms[0])
        create(machine, vms[4], [FILES[0], (f"{HOME}/vast4", "rw")])
    finally:
        for vm in vms:
            machine.call("Machine", "Cleanup", "(sa{sv})", [vm, {}])
        machine.run("rm vast*", user="alice", cwd=HOME)


def test_a_killed_helper_leaves_a_made_snapshot(machine):
    create(machine)
    kill_helper(machine)
    assert mapped(machine) == [NAME]
    assert read(machine, "/etc/hostname") == b"guest\n"


@pytest.mark.parametrize("step", ["making", "removing"])
def test_a_half_made_snapshot_goes(machine, step):
    create(machine)
    kill_helper(machine)
    machine.run(f"sed -i 's/\"step\":\"made\"/\"step\":\"{step}\"/' /run/banger/ledger/1001-{VM}.json")
    assert machine.call("Machine", "List", "(a{sv})", [{}]) == [[]]
    assert mapped(machine) == []


def test_a_device_that_no_record_knows_goes(machine):
    create(machine)
    kill_helper(machine)
    machine.run(f"rm /run/banger/ledger/1001-{VM}.json")
    machine.run("dmsetup create banger-1001-alien --table '0 8 zero'")  # of that name, and not banger's
    try:
        machine.call("Machine", "List", "(a{sv})", [{}])
        assert mapped(machine) == ["banger-1001-alien"]
    finally:
        machine.run("dmsetup remove banger-1001-alien")


def test_helpers_killed_at_any_moment_leave_nothing_half_done(machine):
    """The call is cut off after a time that differs; the next helper mends, and the next call gets through."""
    for delay in (0, 10, 20, 40, 80, 130):
        machine.call("Machine", "List", "(a{sv})", [{}])
        machine.run(f"kill -0 $(systemctl show -P MainPID {UNIT})")
        call = start_create(machine)
        machine.run(f"until [ -e /run/banger/ledger/1001-{VM}.json ]; do :; done; sleep 0.{delay:03}; "
                    f"kill -KILL $(systemctl show -P MainPID {UNIT})", check=False, timeout=60)
        call.wait(check=False)
        machine.until(f"systemctl show -P ActiveState {UNIT} | grep -qx failed", "systemd has noticed")
        known = machine.call("Machine", "List", "(a{sv})", [{}])[0]
        assert mapped(machine) == ([NAME] if known else [])
        create(machine)
        storage(machine, "RemoveSnapshot")
        machine.run("systemctl reset-failed")


def test_the_installation_goes_with_its_snapshots(machine):
    create(machine)
    machine.run(f"systemctl stop {UNIT} && banger helper --remove-all")
    assert mapped(machine) == []
