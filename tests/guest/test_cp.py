"""banger vm cp: files between this computer and a guest."""
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import uuid

import pytest

from banger_test import until
from guest import HOME, LIMIT


@pytest.fixture
def work(guests):
    """A folder of the owner: its path outside, and inside."""
    name = "cp-" + uuid.uuid4().hex[:6]
    outside = guests.home / name
    outside.mkdir()
    os.chown(outside, 64001, 64001)
    yield outside, f"{HOME}/{name}"
    shutil.rmtree(outside)


def cp(guests, *words, check=True, **more):
    result = guests.cli("vm", "cp", *words, check=check, **more)
    if check:
        assert result.stdout == ""
    return result


def sh(guests, box, script):
    return guests.cli("vm", "exec", box, "--", "sh", "-c", script).stdout


@pytest.fixture
def there(guests, box):
    """An empty folder in the guest."""
    path = "/root/cp-" + uuid.uuid4().hex[:6]
    sh(guests, box, f"mkdir {path}")
    yield path
    sh(guests, box, f"rm -rf {path}")


def make_tree(folder):
    tree = folder / "tree"
    (tree / "sub" / "empty").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(os.urandom(200_000))
    (tree / "odd \n ü").write_text("odd")
    (tree / "script").write_text("#!/bin/sh\n")
    (tree / "script").chmod(0o751)
    os.symlink("../nowhere", tree / "sub" / "dangling")
    os.symlink("/etc/passwd", tree / "absolute")
    os.link(tree / "script", tree / "sub" / "second")
    os.utime(tree / "script", ns=(0, 1_600_000_000_123_456_789))
    subprocess.run(["chown", "-Rh", "64001:64001", folder], check=True)
    return tree


def same(one, other):
    subprocess.run(["diff", "-r", "--no-dereference", one, other], check=True)


def test_a_tree_goes_in_and_comes_back_the_same(guests, box, work, there):
    outside, inside = work
    tree = make_tree(outside)
    cp(guests, f"{inside}/tree", f"{box}:{there}")
    cp(guests, f"{box}:{there}/tree", f"{inside}/back")
    back = outside / "back"
    same(tree, back)
    assert (back / "script").stat().st_mode & 0o7777 == 0o751
    assert (back / "script").stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert (back / "script").stat().st_ino == (back / "sub" / "second").stat().st_ino
    assert (back / "script").stat().st_uid == 64001
    assert sh(guests, box, f"stat -c %U:%h {there}/tree/script") == "root:2\n"


def test_where_copies_go(guests, box, work, there):
    outside, inside = work
    make_tree(outside)
    (outside / "f").write_text("new")
    os.chown(outside / "f", 64001, 64001)
    cp(guests, f"{inside}/f", f"{box}:{there}")  # into the folder
    cp(guests, f"{inside}/f", f"{box}:{there}/g")  # under a new name
    sh(guests, box, f"cd {there}; echo old > h; ln -s h link")
    cp(guests, f"{inside}/f", f"{box}:{there}/link")  # what the link leads to
    assert sh(guests, box, f"cd {there}; cat f g h; readlink link") == "newnewnewh\n"
    cp(guests, f"{inside}/tree/.", f"{box}:{there}")  # the contents
    assert sh(guests, box, f"cd {there}; test -d sub && test ! -e tree && echo yes") == "yes\n"
    cp(guests, f"{inside}/tree", f"{box}:{there}/named")
    assert sh(guests, box, f"cd {there}; test -d named/sub && test ! -e named/tree && echo yes") == "yes\n"
    cp(guests, f"{inside}/f", f"{inside}/tree", f"{box}:{there}/named/")  # several
    assert sh(guests, box, f"cd {there}/named; cat f; test -d tree/sub && echo yes") == "newyes\n"
    cp(guests, f"{box}:{there}/f", f"{box}:{there}/sub", f"{inside}/")
    assert (outside / "f").read_text() == "new" and (outside / "sub" / "file").exists()
    cp(guests, f"{box}:/etc/hostname", f"{inside}/f")
    assert (outside / "f").read_text() == box + "\n"


@pytest.mark.parametrize("words, reason", [
    (("{in}/none", "{box}:{there}"), "none"),
    (("{box}:{there}/none", "{in}"), "none"),
    (("{in}/f", "{box}:{there}/no/folder"), "no folder"),
    (("{in}/f", "{box}:{there}/new/"), "no folder"),
    (("{box}:/etc/hostname", "{in}/no/folder"), "no folder"),
    (("{in}/d", "{box}:/etc/hostname"), "no folder"),
    (("{box}:/etc/apt", "{in}/f"), "no folder"),
    (("{in}/f", "{in}/d", "{box}:{there}/new"), "no folder"),
    (("{in}/f", "{box}:/dev/null"), "neither"),
    (("{box}:/dev/null", "{in}"), "device"),
    (("{in}/f", "{in}/g"), "NAME:PATH"),
    (("{box}:/a", "{box}:/b"), "both"),
    (("{in}/f", "nobody:/root"), "nobody"),
    (("{in}/f",), "PATH"),
])
def test_refusals_name_what_is_wrong(guests, box, work, there, words, reason):
    outside, inside = work
    (outside / "f").write_text("kept")
    (outside / "d").mkdir()
    result = cp(guests, *[word.format(**{"in": inside, "box": box, "there": there}) for word in words], check=False)
    assert result.returncode not in (0, 139, 134) and reason in result.stderr
    assert (outside / "f").read_text() == "kept" and sorted(path.name for path in outside.iterdir()) == ["d", "f"]
    assert sh(guests, box, f"ls -A {there}") == ""


def test_links_are_kept_or_followed(guests, box, work, there):
    outside, inside = work
    make_tree(outside)
    os.symlink("tree/script", outside / "to-file")
    os.symlink("tree", outside / "to-folder")
    cp(guests, f"{inside}/to-file", f"{inside}/to-folder", f"{box}:{there}")
    assert sh(guests, box, f"cd {there}; readlink to-file to-folder") == "tree/script\ntree\n"
    result = cp(guests, "-L", f"{inside}/to-folder", f"{box}:{there}", check=False)  # a folder does not replace the symlink
    assert result.returncode != 0 and "something else" in result.stderr
    sh(guests, box, f"cd {there}; rm to-folder")
    cp(guests, "-L", f"{inside}/to-file", f"{inside}/to-folder", f"{box}:{there}")
    assert sh(guests, box, f"cd {there}; cat to-file; test -d to-folder/sub && echo yes") == "#!/bin/sh\nyes\n"
    sh(guests, box, f"cd {there}; ln -s to-file again")
    cp(guests, f"{box}:{there}/again", inside)
    assert os.readlink(outside / "again") == "to-file"
    cp(guests, "-L", f"{box}:{there}/again", inside)
    assert (outside / "again").read_text() == "#!/bin/sh\n" and not (outside / "again").is_symlink()


def test_owners_are_kept_when_asked_for(guests, box, work, there):
    outside, inside = work
    (outside / "f").write_text("x")
    os.chown(outside / "f", 64001, 64001)
    cp(guests, "-a", f"{inside}/f", f"{box}:{there}")
    assert sh(guests, box, f"stat -c %u:%g {there}/f") == "64001:64001\n"
    cp(guests, f"{inside}/f", f"{box}:{there}")
    assert sh(guests, box, f"stat -c %u:%g {there}/f") == "0:0\n"
    # What is another's there cannot be so here: the owner of the VM is not root.
    sh(guests, box, f"chmod 4755 {there}/f")
    cp(guests, f"{box}:{there}/f", f"{inside}/g")
    assert (outside / "g").stat().st_uid == 64001 and (outside / "g").stat().st_mode & 0o7777 == 0o755
    result = cp(guests, "-a", f"{box}:{there}/f", f"{inside}/h", check=False)
    assert result.returncode != 0 and "owner" in result.stderr and not (outside / "h").exists()


def test_modes_here_are_the_owners(guests, box, work, there):
    """What is open to all there is so here only as far as the umask allows; a folder of the owner's stays as it was."""
    outside, inside = work
    (outside / "t").mkdir(mode=0o700)
    os.chown(outside / "t", 64001, 64001)
    sh(guests, box, f"cd {there}; mkdir -m 777 t t/new; touch t/f; chmod 666 t/f")
    guests.exec("sh", "-c", 'umask 027; exec banger vm cp "$@"', "sh", f"{box}:{there}/t", inside, check=True)
    modes = [(outside / "t" / name).stat().st_mode & 0o7777 for name in (".", "new", "f")]
    assert modes == [0o700, 0o750, 0o640]


def test_a_sparse_file_stays_sparse_and_is_quick(guests, box, work, there):
    outside, inside = work
    with open(outside / "sparse", "wb") as sparse:
        sparse.seek(3 << 30)
        sparse.write(b"middle")
        sparse.truncate(20 << 30)
    os.chown(outside / "sparse", 64001, 64001)
    cp(guests, f"{inside}/sparse", f"{box}:{there}")
    assert int(sh(guests, box, f"stat -c %s {there}/sparse")) == 20 << 30
    assert int(sh(guests, box, f"stat -c %b {there}/sparse")) < 2048
    cp(guests, f"{box}:{there}/sparse", f"{inside}/back")
    back = (outside / "back").stat()
    assert back.st_size == 20 << 30 and back.st_blocks < 2048
    with open(outside / "back", "rb") as file:
        file.seek((3 << 30) - 1)
        assert file.read(8) == b"\0middle\0"


def test_memory_stays_small(guests, box, work, there):
    size = 96 << 20
    outside, inside = work
    with open(outside / "big", "wb") as big:
        for _ in range(size >> 20):
            big.write(os.urandom(1 << 20))
    os.chown(outside / "big", 64001, 64001)
    digest = hashlib.sha256((outside / "big").read_bytes()).hexdigest()
    # 64 MiB of heap for the whole process: the file does not fit.
    limited = 'ulimit -d 65536; exec banger vm cp "$@"'
    guests.exec("sh", "-c", limited, "sh", f"{inside}/big", f"{box}:{there}", check=True, timeout=300)
    assert sh(guests, box, f"sha256sum < {there}/big").split()[0] == digest
    guests.exec("sh", "-c", limited, "sh", f"{box}:{there}/big", f"{inside}/back", check=True, timeout=300)
    assert hashlib.sha256((outside / "back").read_bytes()).hexdigest() == digest


def test_a_broken_off_copy_leaves_the_old_file(guests, box, work, there):
    outside, inside = work
    sh(guests, box, f"echo old > {there}/f")
    with open(outside / "f", "wb") as file:
        file.truncate(64 << 20)
        file.write(os.urandom(48 << 20))
    os.chown(outside / "f", 64001, 64001)
    client = guests.cli_popen("vm", "cp", f"{inside}/f", f"{box}:{there}/f")
    until(lambda: ".banger-" in sh(guests, box, f"ls -A {there}") or client.poll() is not None, "a copy under way", limit=LIMIT)
    client.send_signal(signal.SIGKILL)
    if client.wait(LIMIT) != 0:
        until(lambda: sh(guests, box, f"ls -A {there}") == "f\n", "the half file is gone", limit=LIMIT)
        assert sh(guests, box, f"cat {there}/f") == "old\n"


def test_a_full_disk_is_told_with_the_file(guests, box, work, there):
    outside, inside = work
    with open(outside / "f", "wb") as file:
        file.write(os.urandom(8 << 20))
    os.chown(outside / "f", 64001, 64001)
    sh(guests, box, f"mount -t tmpfs -o size=1m none {there}")
    try:
        result = cp(guests, f"{inside}/f", f"{box}:{there}/big", check=False)
        assert result.returncode != 0 and "big" in result.stderr and "No space" in result.stderr
        assert sh(guests, box, f"ls -A {there}") == ""
    finally:
        sh(guests, box, f"umount {there}")


def test_nothing_of_the_guest_leads_out_of_the_target(guests, box, work, there):
    """The guest's tree holds links to where the owner keeps things; a copy over a copy does not go through them."""
    outside, inside = work
    (outside / "secret").write_text("kept")
    os.chown(outside / "secret", 64001, 64001)
    sh(guests, box, f"cd {there}; mkdir t; ln -s ../secret t/file; ln -s .. t/folder")
    cp(guests, f"{box}:{there}/t", f"{inside}/t")
    sh(guests, box, f"cd {there}; rm t/*; echo evil > t/file; mkdir t/folder; echo evil > t/folder/secret")
    result = cp(guests, f"{box}:{there}/t/.", f"{inside}/t", check=False)
    assert result.returncode != 0 and "folder" in result.stderr and (outside / "t" / "folder").is_symlink()
    assert (outside / "secret").read_text() == "kept"
    assert pathlib.Path(outside / "t" / "file").read_text() == "evil\n"
    assert not (outside / "t" / "file").is_symlink()
