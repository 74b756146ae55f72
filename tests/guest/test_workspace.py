"""banger vm run PATH: the tracked files of a git repository go into the VM."""
import os
import pathlib
import subprocess
import uuid

import pytest

from guest import HOME

ODD_NAMES = ["with space", "new\nline", "ünïcode", "-dash", "quote'\"", "back\\slash", "tab\there"]


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments], check=True,
                   capture_output=True)


@pytest.fixture
def repo(clean):
    """A repository in the owner's home: its path outside, and inside."""
    name = "repo-" + uuid.uuid4().hex[:6]
    outside = clean.home / name
    (outside / "sub" / "deep").mkdir(parents=True)
    (outside / "Makefile").write_text("test:\n\t@cat message sub/deep/file\n\t@test -x script && ./script\n"
                                      "fail:\n\t@exit 1\n")
    (outside / "message").write_text("as committed\n")
    (outside / "sub" / "deep" / "file").write_text("deep\n")
    (outside / "script").write_text("#!/bin/sh\necho ran\n")
    (outside / "script").chmod(0o755)
    (outside / "plain").write_text("no script\n")
    os.symlink("message", outside / "link")
    os.symlink("/etc/hostname", outside / "absolute")
    (outside / "gone").write_text("deleted later\n")
    for odd in ODD_NAMES:
        (outside / odd).write_text(odd)
    git(outside, "init", "-q")
    git(outside, "add", "-A")
    git(outside, "commit", "-qm", "x")
    (outside / "message").write_text("as it stands now\n")
    (outside / "gone").unlink()
    (outside / "untracked").write_text("secret\n")
    subprocess.run(["chown", "-R", "64001:64001", outside], check=True)
    yield outside, f"{HOME}/{name}"
    subprocess.run(["rm", "-rf", outside], check=True)


def test_make_test_sees_the_files_as_they_stand(clean, repo):
    result = clean.cli("vm", "run", "--rm", repo[1], "--", "make", "-s", "test")
    assert result.stdout == "as it stands now\ndeep\nran\n"


def test_a_failing_make_fails(clean, repo):
    result = clean.cli("vm", "run", "--rm", repo[1], "--", "make", "-s", "fail", check=False)
    assert result.returncode == 2  # make's own status


def test_what_goes_along_and_what_not(clean, repo):
    script = ("ls -A; echo --; readlink link absolute; test -x script && test ! -x plain && echo modes; "
              "test ! -e untracked && test ! -e gone && test ! -e .git && echo absent; pwd")
    listing, rest = clean.cli("vm", "run", "--rm", repo[1], "--", "sh", "-c", script).stdout.split("--\n")
    assert rest == f"message\n/etc/hostname\nmodes\nabsent\n/root/{pathlib.Path(repo[1]).name}\n"
    for odd in ODD_NAMES:
        assert odd in listing


def test_a_folder_below_is_where_the_command_begins(clean, repo):
    assert clean.cli("vm", "run", "--rm", repo[1] + "/sub/deep", "--", "cat", "file", "../../message").stdout == \
        "deep\nas it stands now\n"


def test_the_guest_cannot_change_the_hosts_copy(clean, repo):
    clean.cli("vm", "run", "--rm", repo[1], "--", "sh", "-c", "echo changed > message; rm script; touch new")
    assert (repo[0] / "message").read_text() == "as it stands now\n"
    assert (repo[0] / "script").exists() and not (repo[0] / "new").exists()


def test_what_is_no_repository_is_refused_before_any_vm_is_made(clean):
    result = clean.cli("vm", "run", "--rm", "/usr/share", "--", "true", check=False)
    assert result.returncode == 125 and "git" in result.stderr
    assert clean.traces() == []
