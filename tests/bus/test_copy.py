"""vm cp and vm ports against the real daemon, with VMs of the kind null: what is refused, and how. That files arrive, and as
what, is for the guest tier."""
import json

import pytest
HOME = "/home/banger-owner"


@pytest.fixture
def null(cli):
    cli.run("--detach", "--name", "dev")
    return "dev"


@pytest.fixture
def file(cli):
    path = cli.instance.home / "to-copy"
    path.write_bytes(b"x" * 300_000)
    path.chmod(0o644)
    yield f"{HOME}/to-copy"
    path.unlink()


def test_a_null_guest_listens_nowhere(cli, null):
    assert json.loads(cli("vm", "ports", null, "-o", "json").stdout) == []
    assert cli("vm", "ports", null).stdout.split() == ["PROTOCOL", "ADDRESS", "PORT", "PROCESS"]


def test_copies_to_a_null_guest_are_swallowed(cli, null, file):
    for target in ("/root", "/root/", "/root/name"):
        result = cli("vm", "cp", file, f"{null}:{target}")
        assert result.stdout == "" and result.stderr == ""


def test_what_does_not_fit_is_refused(cli, null, file):
    for words, reason in (((file, f"{null}:/no/such"), "there is no folder /no in dev"),
                          ((file, f"{null}:/new/"), "there is no folder /new/"),
                          ((file, file, f"{null}:/root/new"), "there is no folder /root/new in dev"),
                          ((f"{HOME}/none", f"{null}:/root"), "none"),
                          ((f"{null}:/any", f"{HOME}/no/such"), "there is no folder"),
                          ((file, file), "neither path is in a VM"),
                          ((f"{null}:/a", f"{null}:/b"), "both paths are in VMs"),
                          (("", f"{null}:/b"), "empty"),
                          (("-", f"{null}:/b"), "not supported yet"),
                          ((f"{null}:/b", "-"), "./-"),
                          ((file, "nobody:/root"), "nobody")):
        result = cli.instance.exec("banger", "vm", "cp", *words, check=False)
        assert result.returncode not in (0, 134, 139) and reason in result.stderr, words
