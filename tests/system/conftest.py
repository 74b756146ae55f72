"""Fixtures of the system tier; machine.py says what they are."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import machine as machines  # noqa: E402


def pytest_sessionstart():
    """Status 77 is a skip for CTest."""
    if os.geteuid() != 0:
        pytest.exit("SKIP: the system tests need root, to build the machine's root filesystem", returncode=77)


def pytest_terminal_summary(terminalreporter):
    """No skip, but not silent."""
    if not os.environ.get("BANGER_TEST_FIRECRACKER_DIR"):
        terminalreporter.write_line("BANGER_TEST_FIRECRACKER_DIR is not set: guests ran with banger-qemu, and not with Firecracker")


@pytest.fixture(scope="module")
def machine():
    with machines.system(staged=False) as made:
        yield made


@pytest.fixture(scope="module")
def staged():
    with machines.system(owners=()) as made:
        yield made


@pytest.fixture(scope="module")
def installed():
    with machines.system() as made:
        yield made


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if outcome.get_result().failed:
        for value in item.funcargs.values():
            if isinstance(value, machines.System):
                value.complain()
