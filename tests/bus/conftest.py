"""Fixtures of the bus tier."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

import banger_test  # noqa: E402


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
