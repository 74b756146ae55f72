"""Fixtures of the owner daemon's tests: a file imports them by name, in place of conftest.py's, which are the helper's."""
import pytest
from banger_test import Instance
from daemon_parts import Place


@pytest.fixture(scope="module")
def shared():
    """One instance for all tests of a file; each leaves it as it was."""
    with Instance() as instance:
        place = Place(instance)
        yield place
        place.client.leave()


@pytest.fixture
def place(shared):
    yield shared
    shared.clear()
    shared.check_nothing_left()


@pytest.fixture
def client(place):
    return place.client
