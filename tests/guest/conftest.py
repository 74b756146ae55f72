"""Fixtures of the guest tier."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import guest  # noqa: E402


@pytest.fixture(scope="module")
def guests():
    """One instance for a file's tests, with a kernel and an image."""
    with guest.Guests() as started:
        yield started


@pytest.fixture(scope="module")
def box(guests):
    """One running VM for a file's tests."""
    with guests.vm("box") as name:
        yield name


@pytest.fixture
def clean(guests):
    """A test that begins and ends without VMs, and leaves nothing of them."""
    guests.delete_all()
    yield guests
    guests.delete_all()
    guests.expect_no_traces()
