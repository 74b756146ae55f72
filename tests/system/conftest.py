"""Fixtures of the system tier; machine.py says what they are."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import boot  # noqa: E402
import machine as machines  # noqa: E402
import staging  # noqa: E402


def pytest_sessionstart():
    """Status 77 is a skip for CTest."""
    if os.geteuid() != 0:
        pytest.exit("SKIP: the system tests need root, to build the machine's root filesystem", returncode=77)


def pytest_terminal_summary(terminalreporter):
    """Not silent: tools/results repeats these lines."""
    notes = list(boot.NOTES)
    if not staging.FIRECRACKER:
        notes.append("Firecracker itself was not tried: guests ran with banger-qemu. BANGER_TEST_FIRECRACKER_DIR=DIR, a folder with "
                     "`firecracker` and `jailer`, has the tier `system` try it.")
    for note in notes:
        terminalreporter.write_line(f"NOTE: {note}")


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
def pytest_runtest_makereport():
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for made in machines.RUNNING:
            report.sections += made.complaint()
