"""Fixtures of the bus tier."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import banger_test  # noqa: E402
import cli_parts  # noqa: E402
import helper_parts  # noqa: E402


def pytest_sessionstart():
    """Status 77 is a skip for CTest."""
    if os.geteuid() != 0:
        pytest.exit("SKIP: the bus tests need root, for namespaces and accounts", returncode=77)


@pytest.fixture
def instance():
    """A started instance without an uplink, gone after the test, leaks looked for."""
    with banger_test.Instance() as started:
        yield started


@pytest.fixture
def unstarted():
    """An instance that the test starts itself."""
    made = banger_test.Instance()
    try:
        yield made
    except BaseException:
        made.complain()
        raise
    finally:
        made.close()


@pytest.fixture(scope="module")
def place():
    """For the tests of the root helper: one instance for all of a file. A file that wants another has a fixture of that name."""
    with banger_test.Instance(environment={"BANGER_IDLE_SECONDS": "600"}) as started:
        yield helper_parts.World(started)


@pytest.fixture
def world(place):
    """The same for one test, after which nothing may be left."""
    yield place
    place.check()


@pytest.fixture(scope="module")
def cli_place():
    """For the tests of the command line: one instance, with a kernel to make VMs of, for all of a file."""
    with banger_test.Instance() as instance:
        kernel = instance.home / "vmlinux"
        kernel.write_bytes(cli_parts.tiny_kernel())
        kernel.chmod(0o644)
        cli = cli_parts.Cli(instance)
        result = cli("kernel", "import", "--name", "tiny", "/home/banger-owner/vmlinux")
        assert result.stdout == "tiny\n" and result.stderr == ""
        yield cli


@pytest.fixture
def cli(cli_place):
    """The same for one test, after which there is no VM."""
    before = cli_place.instance.resources()
    yield cli_place
    cli_place.clear()
    banger_test.until(lambda: cli_place.instance.resources()["jails"] == before["jails"], "no jail left")
