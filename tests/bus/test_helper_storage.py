"""Snapshots, as far as a host without device-mapper goes; and files inside of images, all of it."""
import hashlib
import threading

import pytest
from banger_test import Instance
from helper_parts import NULL, VM, VM2, World, error_of, overlay_of_the_owner

HOME = "/home/banger-owner"
LIMIT = 4 << 20


@pytest.fixture(scope="module")
def place():
    with Instance(environment={"BANGER_IDLE_SECONDS": "600"}) as instance:
        world = World(instance)
        world.owner("cd; mkdir tree tree/etc tree/dir; echo guest > tree/etc/hostname; ln -s /etc/hostname tree/absolute; "
                    "ln -s ../etc tree/dir/link; ln -s loop2 tree/loop1; ln -s loop1 tree/loop2; ln -s ../../../../etc/hostname tree/out; "
                    "head -c 5000000 /dev/zero > tree/large; head -c 3000000 /dev/urandom > tree/middle; mkfifo tree/pipe; "
                    "mke2fs -q -t ext4 -d tree -O metadata_csum image.good 32M; mke2fs -q -t ext2 -d tree image.ext2 32M; "
                    "mke2fs -q -t ext4 -d tree -b 1024 -O ^metadata_csum,^64bit image.old 32M; "
                    "truncate -s 64M cow; mkfifo pipe; mkdir folder; truncate -s 1000 odd; truncate -s 0 none; truncate -s 1M small")
        world.owner("truncate -s 64M /tmp/theirs; chmod 666 /tmp/theirs", user="other")
        yield world


@pytest.fixture
def image(world):
    world.owner("cd; cp --sparse=always image.good image")
    return f"{HOME}/image"


def files(rootfs=f"{HOME}/image.good", cow=f"{HOME}/cow", modes=("r", "rw")):
    return {"files": [(rootfs, modes[0]), (cow, modes[1])]}


def create_refused(world, **more):
    return world.refused("CreateSnapshot", VM, 0, 1, **more)


# --- snapshots


def test_a_snapshot_without_device_mapper(world):
    if world.root("(: <>/dev/mapper/control) 2>/dev/null && echo there || true"):
        pytest.skip("this host has device-mapper; tests/system/test_storage.py is for those")
    for _ in range(2):
        error = create_refused(world, **files())
        assert error.name == error_of("Unavailable") and "hint: " in error.message
    assert world.ledger() == {}
    assert world.call("RemoveSnapshot", VM) == []
    assert world.call("Cleanup", VM) == []
    assert world.refused("CheckSnapshot", VM).name == error_of("NotFound")


@pytest.mark.parametrize("what, why", [
    ({"rootfs": "/dev/null"}, "regular"), ({"rootfs": f"{HOME}/folder"}, "regular"), ({"rootfs": "/etc/passwd"}, "yours"),
    ({"rootfs": "/tmp/theirs"}, "yours"), ({"cow": "/tmp/theirs"}, "yours"), ({"cow": "/dev/null"}, "regular"),
    ({"modes": ("w", "rw")}, "readable"), ({"modes": ("r", "r")}, "writable"), ({"modes": ("r", "w")}, "readable"),
    ({"rootfs": f"{HOME}/none"}, "bytes"), ({"rootfs": f"{HOME}/odd"}, "bytes"), ({"cow": f"{HOME}/none"}, "bytes"),
    ({"cow": f"{HOME}/odd"}, "bytes"), ({"cow": f"{HOME}/vast"}, "bytes"), ({"rootfs": f"{HOME}/vaster"}, "bytes"),
    ({"rootfs": "/proc/self/mem"}, "disk")])
def test_files_that_are_no_disks(world, what, why):
    world.owner("cd; truncate -s 65G vast; truncate -s 1025G vaster")
    error = create_refused(world, **files(**what))
    assert error.name == error_of("FailedPrecondition") and why in error.message
    assert world.ledger() == {}


def test_overlays_that_the_owner_mounted(world):
    with overlay_of_the_owner(world.instance) as path:
        for what in ({"rootfs": path}, {"cow": path}):
            error = create_refused(world, **files(**what))
            assert error.name == error_of("FailedPrecondition") and "may serve" in error.message, what


def test_options_of_a_snapshot(world):
    assert create_refused(world, options={"read-only": ["b", True]}, **files()).name == error_of("InvalidArgument")
    assert world.refused("CheckSnapshot", VM, options={"force": ["s", "yes"]}).name == error_of("InvalidArgument")


# --- files inside of images


def read(world, path, image, vm=VM, **more):
    return bytes(world.call("ReadImageFile", vm, path, options={"image": ["h", 0]}, files=[(image, "r")], **more)[0])


def write(world, entries, image, vm=VM, mode="rw", **more):
    return world.call("WriteImageFiles", vm, entries, options={"image": ["h", 0]}, files=[(image, mode)], **more)


def write_refused(world, entries, image, mode="rw", **more):
    return world.refused("WriteImageFiles", VM, entries, options={"image": ["h", 0]}, files=[(image, mode)], **more)


def read_refused(world, path, image, mode="r", **more):
    return world.refused("ReadImageFile", VM, path, options={"image": ["h", 0]}, files=[(image, mode)], **more)


def entry(path, content="x", mode=0o644, uid=0, gid=0):
    return [path, content, mode, uid, gid]


def debugfs(world, image, command):
    return world.owner(f"/usr/sbin/debugfs -R '{command}' {image} 2>/dev/null")


def fsck(world, image):
    world.owner(f"/usr/sbin/e2fsck -fn {image} 2>&1")


@pytest.mark.parametrize("path", ["/etc/hostname", "/absolute", "/dir/link/hostname", "/out"])
def test_read(world, image, path):
    """Links lead about inside of the image: an absolute one begins at its root, and nothing is above that."""
    assert read(world, path, image) == b"guest\n"


def test_read_what_is_large(world, image):
    digest = world.owner("sha256sum tree/middle 2>/dev/null || sha256sum ~/tree/middle").split()[0]
    assert hashlib.sha256(read(world, "/middle", image)).hexdigest() == digest
    error = read_refused(world, "/large", image)
    assert error.name == error_of("FailedPrecondition") and str(LIMIT) in error.message


@pytest.mark.parametrize("path, name", [
    ("/nothing", "NotFound"), ("/etc/hostname/x", "FailedPrecondition"), ("/etc", "FailedPrecondition"), ("/pipe", "FailedPrecondition"),
    ("/loop1", "FailedPrecondition"), ("etc/hostname", "InvalidArgument"), ("/", "InvalidArgument"), ("", "InvalidArgument"),
    ("/etc/../etc/hostname", "InvalidArgument"), ("/etc//hostname", "InvalidArgument"), ("/./etc", "InvalidArgument"),
    ("/etc/", "InvalidArgument"), ("/" + "a" * 256, "InvalidArgument"), ("/a\nb", "InvalidArgument"), ("/a" * 3000, "InvalidArgument")])
def test_paths_that_cannot_be_read(world, image, path, name):
    assert read_refused(world, path, image).name == error_of(name)


@pytest.mark.parametrize("source", ["image.good", "image.ext2", "image.old"])
def test_write(world, source):
    image = f"{HOME}/image"
    world.owner(f"cd; cp --sparse=always {source} image")
    big = "0123456789abcdef" * 100000
    assert write(world, [entry("/etc/hostname", "other\n", 0o600, 70000, 80000), entry("/new/deep/file", big, 0o755),
                         entry("/dir/link/by-link"), entry("/absolute", "mine"), entry("/empty", "")], image) == []
    fsck(world, image)
    assert read(world, "/etc/hostname", image) == b"other\n"
    assert read(world, "/new/deep/file", image) == big.encode()
    assert read(world, "/etc/by-link", image) == b"x"
    assert read(world, "/absolute", image) == b"mine"
    assert read(world, "/empty", image) == b""
    told = debugfs(world, image, "stat /etc/hostname")
    assert "Mode:  0600" in told and "User: 70000" in told and "Group: 80000" in told
    assert "Mode:  0755" in debugfs(world, image, "stat /new/deep") and "User:     0" in debugfs(world, image, "stat /new/deep")


def test_many_files_in_one_folder(world, image):
    for turn in range(3):
        entries = [entry(f"/many/{'n' * 200}-{turn % 2}-{n}", f"{turn} {n}") for n in range(64)]
        write(world, entries, image)
    fsck(world, image)
    assert read(world, f"/many/{'n' * 200}-0-63", image) == b"2 63"
    assert read(world, f"/many/{'n' * 200}-1-0", image) == b"1 0"


def test_writing_does_not_grow_the_image(world):
    image = f"{HOME}/tiny"
    world.owner("cd; rm -f tiny; mke2fs -q -t ext4 -O ^has_journal tiny 3M")
    error = write_refused(world, [entry("/full", "x" * LIMIT)], image)
    assert error.name == error_of("FailedPrecondition") and "full" in error.message
    assert world.owner(f"stat -c %s {image}").strip() == str(3 << 20)


@pytest.mark.parametrize("entries, name", [
    ([], "InvalidArgument"), ([entry(f"/f{n}") for n in range(65)], "InvalidArgument"), ([entry("/a"), entry("/a")], "InvalidArgument"),
    ([entry("/a", "x" * LIMIT), entry("/b")], "InvalidArgument"), ([entry("/a", mode=0o10000)], "InvalidArgument"),
    ([entry("/a", uid=0xffffffff)], "InvalidArgument"), ([entry("/../a")], "InvalidArgument"), ([entry("/etc")], "FailedPrecondition"),
    ([entry("/etc/hostname/x")], "FailedPrecondition"), ([entry("/loop1/x")], "FailedPrecondition")])
def test_what_cannot_be_written(world, image, entries, name):
    before = world.owner(f"sha256sum {image}")
    assert write_refused(world, entries, image).name == error_of(name)
    if name == "InvalidArgument":
        assert world.owner(f"sha256sum {image}") == before


@pytest.mark.parametrize("path, mode", [("/tmp/theirs", "rw"), (f"{HOME}/pipe", "rw"), ("/dev/null", "rw"), (f"{HOME}/image", "r"),
                                        (f"{HOME}/image", "w"), (f"{HOME}/none", "rw"), (f"{HOME}/odd", "rw")])
def test_images_that_are_none_of_the_owners(world, image, path, mode):
    assert write_refused(world, [entry("/a")], path, mode=mode).name == error_of("FailedPrecondition")


def test_without_image_it_is_the_snapshot(world):
    assert world.refused("ReadImageFile", VM, "/etc/hostname").name == error_of("NotFound")
    assert world.refused("WriteImageFiles", VM, [entry("/a")]).name == error_of("NotFound")


def test_not_while_the_vmm_runs(world, image):
    world.call("Launch", VM, options=NULL)
    for error in (read_refused(world, "/etc/hostname", image), write_refused(world, [entry("/a")], image)):
        assert error.name == error_of("FailedPrecondition") and "running" in error.message
    read(world, "/etc/hostname", image, vm=VM2)
    world.call("Kill", VM)
    read(world, "/etc/hostname", image)
    world.call("Cleanup", VM)


def test_not_while_another_has_it_locked(world, image):
    script = f"import fcntl, sys; f = open('{image}', 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()"
    holder = world.instance.popen("/usr/bin/python3", "-I", "-c", script, stdin=-1, stdout=-1)
    try:
        assert holder.stdout.readline() == b"locked\n"
        assert read_refused(world, "/etc/hostname", image).name == error_of("Busy")
        assert write_refused(world, [entry("/a")], image).name == error_of("Busy")
    finally:
        holder.stdin.close()
        holder.wait(timeout=30)
    write(world, [entry("/a")], image)


def test_a_filesystem_that_must_be_checked_is_only_read(world, image):
    world.owner(f"/usr/sbin/debugfs -w -R 'feature needs_recovery' {image} 2>/dev/null")
    assert read(world, "/etc/hostname", image) == b"guest\n"
    error = write_refused(world, [entry("/a")], image)
    assert error.name == error_of("FailedPrecondition") and "check" in error.message


@pytest.mark.parametrize("seed", range(6))
def test_damaged_images_hurt_nobody(world, image, seed):
    """Bytes of all of the metadata are changed; whatever comes of it is an answer or an error, and the helper lives."""
    script = (f"import random; r = random.Random({seed}); f = open('{image}', 'r+b')\n"
              "for _ in range(400 if r.random() < .5 else 40):\n"
              "    f.seek(r.choice([1024 + r.randrange(1024), r.randrange(1 << 20), r.randrange(4096, 16384)])); "
              "f.write(bytes([r.randrange(256)]))\n"
              "f.seek(1080); f.write(bytes([0x53, 0xef]))\n")
    world.owner(f"/usr/bin/python3 -I -c \"{script}\"")
    pid = world.helper_pid()
    for call in (lambda: read(world, "/etc/hostname", image), lambda: write(world, [entry("/etc/hostname", "y" * 100000)], image)):
        try:
            call()
        except Exception as error:
            assert getattr(error, "name", "").startswith("org.banger.Error."), error
    assert world.helper_pid() == pid


STOP = """import os, signal
while True:
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if open(f'/proc/{pid}/cmdline', 'rb').read().split(bytes(1))[2:3] == [b'--image-files']:
                os.kill(int(pid), signal.SIGSTOP)
                print(pid, flush=True)
                raise SystemExit
        except OSError:
            pass
"""


def test_what_reads_images_is_nobodys(world, image):
    """Its owner can neither trace it nor open what it has open."""
    stopper = world.instance.popen("/usr/bin/python3", "-I", "-c", STOP, user="root", stdout=-1)
    caught = threading.Event()

    def read_on():
        while not caught.is_set():
            assert read(world, "/etc/hostname", image) == b"guest\n"

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        pid = stopper.stdout.readline().decode().strip()
        caught.set()
        status = dict(line.split(":", 1) for line in world.root(f"cat /proc/{pid}/status").splitlines())
        nobody = str(0x70000000 + int(world.owner("id -u")))
        assert status["Uid"].split() == status["Gid"].split() == [nobody] * 4
        assert status["Groups"].split() == [] and int(status["CapPrm"], 16) == 0 and status["NoNewPrivs"].strip() == "1"
        assert world.owner(f"ls /proc/{pid}/fd 2>&1 || true").strip().endswith("Permission denied")
        assert "not permitted" in world.owner(f"kill -0 {pid} 2>&1 || true")
    finally:
        caught.set()
        world.root(f"kill -CONT {pid}")
        reader.join(timeout=60)
        stopper.wait(timeout=30)
    assert not reader.is_alive()


def test_what_is_no_ext4(world):
    assert read_refused(world, "/etc/hostname", f"{HOME}/small").name == error_of("InvalidArgument")
