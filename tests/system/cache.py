"""What is costly to make and the same for every run: folders named KIND-KEY in $BANGER_TEST_CACHE/system.

An entry is made in a folder `.new-…` and renamed at the end, so that it is there whole or not at all, whoever is killed when.
One process at a time makes entries of a kind; the others wait for it. The few that were used last are kept. An entry that is
made once more under its key is not the same one, and what was built upon the first does not fit it: hence identity().
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import tempfile
import uuid

FOLDER = pathlib.Path(os.environ.get("BANGER_TEST_CACHE") or pathlib.Path.home() / ".cache" / "banger-tests") / "system"
KEPT = 3


@contextlib.contextmanager
def _locked(path, how):
    with open(path, "a", encoding="ascii") as file:
        fcntl.flock(file, how)
        yield


def identity(folder):
    """A text that no other entry has, for the keys of those that are built upon it."""
    return (folder / "identity").read_text(encoding="ascii")


@contextlib.contextmanager
def entry(kind, key, make):
    """The folder of this entry, which stays while the block runs. make(folder) fills a new one."""
    FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
    path = FOLDER / f"{kind}-{key}"
    with contextlib.ExitStack() as held:
        with _locked(FOLDER / f"{kind}.lock", fcntl.LOCK_EX):
            if not path.exists():
                _make(kind, path, make)
            os.utime(path)
            held.enter_context(_locked(path / "in-use", fcntl.LOCK_SH))
            _forget_old(kind)
        yield path


def _make(kind, path, make):
    for left in FOLDER.glob(f".new-{kind}-*"):  # the lock is ours: whoever made these is dead
        shutil.rmtree(left)
    new = pathlib.Path(tempfile.mkdtemp(prefix=f".new-{kind}-", dir=FOLDER))
    try:
        make(new)
        (new / "identity").write_text(uuid.uuid4().hex, encoding="ascii")
        os.sync()  # files that QEMU wrote with cache=unsafe, too
        new.chmod(0o755)
        new.rename(path)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _forget_old(kind):
    """Removes all but the last used; one in use stays."""
    entries = sorted(FOLDER.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in entries[KEPT:]:
        with open(path / "in-use", "a", encoding="ascii") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Away by one rename: what a kill leaves of it is found by _make.
            gone = path.rename(FOLDER / f".new-{kind}-{os.getpid()}-old")
            shutil.rmtree(gone)
