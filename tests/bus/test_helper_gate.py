"""The helper's gates: each is passed, and each stops."""
import threading

import pytest
from banger_test import HELPER, HELPER_PATH, BusError, Instance, until
from helper_parts import (BRIDGE, CHALLENGE, NETWORK, NULL, ORDINARY, SIGNATURES, VM, World, error_of, polkit_stand_in, timed)

RULE = "/etc/polkit-1/rules.d/10-test.rules"


@pytest.fixture(scope="module")
def acted():
    """An instance with a stand-in for polkit, whose patience is short."""
    with Instance(polkit="none", environment={"BANGER_IDLE_SECONDS": "600", "BANGER_POLKIT_SECONDS": "1.5"}) as instance:
        with polkit_stand_in(instance) as polkit:
            yield World(instance), polkit


@pytest.fixture
def mock(acted):
    world, polkit = acted
    polkit.says("yes")
    polkit.forget()
    yield acted
    polkit.says("yes")
    world.check()


# --- the bus


def test_owners_may_look(world):
    xml = world.instance.call(HELPER, HELPER_PATH, "org.freedesktop.DBus.Introspectable", "Introspect")[0]
    for member in SIGNATURES:
        assert f'<method name="{member}">' in xml
    version = world.instance.call(HELPER, HELPER_PATH, "org.freedesktop.DBus.Properties", "Get", "(ss)",
                                  ["org.banger.Helper1.Machine", "Version"])
    assert version[0].count(".") == 2


@pytest.mark.parametrize("user", ["stranger", "root"])
def test_the_bus_stops_whoever_is_no_owner(world, user):
    for member in SIGNATURES:
        error = world.refused(member, *ORDINARY[member], user=user)
        assert error.name == "org.freedesktop.DBus.Error.AccessDenied", member


def test_nobody_else_can_be_the_helper(world):
    for user in ("owner", "stranger"):
        with pytest.raises(BusError) as refusal:
            world.instance.call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "(su)",
                                [HELPER, 0], bus="system", user=user)
        assert refusal.value.name == "org.freedesktop.DBus.Error.AccessDenied"


# --- the arguments


def test_unknown_options_are_refused(world):
    for member in SIGNATURES:
        with pytest.raises(BusError) as refusal:
            world.ordinary(member, {"path": ["s", "/etc/shadow"]})
        assert refusal.value.name == error_of("InvalidArgument") and "path" in refusal.value.message, member


def test_op_id_must_be_one(world):
    for value in (["s", "x"], ["s", "A" * 32], ["u", 7], ["s", "a" * 32 + "\n"]):
        assert world.refused("List", options={"op-id": value}).name == error_of("InvalidArgument")


@pytest.mark.parametrize("name", ["", "eth0", "lo", "br-fc-", "br-fcx", "br-fc-UPPER", "br-fc-1234567890", "br-fc-a/b", "br-fc-a b",
                                  "../br-fc"])
def test_bad_bridge_names(world, name):
    assert world.refused("EnsureBridge", name, NETWORK).name == error_of("InvalidArgument")


@pytest.mark.parametrize("name", ["", "short", "UPPERCASE1234", "a" * 33, "../../../../etc", "abcdef-012345", "abcdef01234\n"])
def test_bad_vm_ids(world, name):
    for member, more in [("Inspect", []), ("Cleanup", []), ("CreateTap", [BRIDGE]), ("Signal", ["TERM"]), ("Launch", [])]:
        options = NULL if member == "Launch" else {}
        assert world.refused(member, name, *more, options=options).name == error_of("InvalidArgument"), member


@pytest.mark.parametrize("name", ["STOP", "SEGV", "0", "9", "", "TERM KILL", "-9"])
def test_bad_signals(world, name):
    assert world.refused("Signal", VM, name).name == error_of("InvalidArgument")


def test_wrong_types_never_reach_the_helper(world):
    with pytest.raises(BusError):
        world.instance.helper("Machine", "Inspect", "(ua{sv})", [1, {}])


# --- the uid


def test_registration_is_looked_at_with_every_call(world):
    world.call("List", user="other")
    world.root("cp /etc/banger/install.toml /tmp/kept.toml")
    try:
        # The bus still lets uid 64002 through; the helper reads its own list.
        text = world.root("cat /etc/banger/install.toml").replace("64002", "64009").replace("banger-other", "banger-gone")
        world.instance.exec("sh", "-c", "cat > /etc/banger/new.toml; mv /etc/banger/new.toml /etc/banger/install.toml", user="root",
                            input=text)
        error = world.refused("List", user="other")
        assert error.name == error_of("NotAuthorized") and "registered" in error.message
        world.call("List", user="owner")
        world.root("chmod 666 /etc/banger/install.toml")  # not to be trusted: registers nobody
        assert world.refused("List").name == error_of("NotAuthorized")
        world.root("rm /etc/banger/install.toml")
        assert world.refused("List").name == error_of("NotAuthorized")
    finally:
        world.root("cp /tmp/kept.toml /etc/banger/new.toml; chmod 644 /etc/banger/new.toml; "
                   "mv /etc/banger/new.toml /etc/banger/install.toml")
    world.call("List", user="other")


# --- ownership


def test_another_owners_bridge(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    for member, arguments in [("EnsureBridge", [BRIDGE, NETWORK]), ("DeleteBridge", [BRIDGE]), ("CreateTap", [VM, BRIDGE])]:
        error = world.refused(member, *arguments, user="other")
        assert error.name == error_of("NotAuthorized") and "not yours" in error.message, member
    world.call("DeleteBridge", BRIDGE)


def test_another_owners_vm_does_not_exist(world):
    world.call("EnsureBridge", BRIDGE, NETWORK)
    tap = world.call("CreateTap", VM, BRIDGE)[0]
    _, pid, *_ = world.call("Launch", VM, options=NULL)
    assert world.facts(user="other") == {"state": "absent"}
    assert world.call("List", user="other") == [[]]
    unknown = world.refused("Signal", "f" * 12, "TERM", user="other")
    theirs = world.refused("Signal", VM, "TERM", user="other")
    assert theirs.name == unknown.name and theirs.message.splitlines()[0] == unknown.message.splitlines()[0].replace("f" * 12, VM)
    for member in ("Kill", "Cleanup", "DeleteTap"):
        assert world.call(member, VM, user="other") == []
    assert world.facts()["pid"] == pid and tap in world.instance.links()
    # The same id is another VM of the other owner's.
    world.call("Launch", VM, options=NULL, user="other")
    world.call("Cleanup", VM, user="other")
    assert world.facts()["pid"] == pid
    world.call("Cleanup", VM)
    world.call("DeleteBridge", BRIDGE)


# --- polkit


def test_a_registered_owner_without_polkits_yes(world):
    def says(answer):
        rule = f"""polkit.addRule(function(action, subject) {{
            if (subject.user == "banger-other" && action.id.indexOf("org.banger.helper.") === 0) return polkit.Result.{answer};
            return polkit.Result.NOT_HANDLED; }});"""
        world.instance.exec("sh", "-c", f"cat > {RULE}", user="root", input=rule)

    def answer():
        try:
            world.call("List", user="other")
            return ""
        except BusError as error:
            return error.name

    try:
        says("NO")
        until(lambda: answer() == error_of("NotAuthorized"), "polkit's no")
        for member in SIGNATURES:
            with pytest.raises(BusError) as refusal:
                world.ordinary(member, user="other")
            assert refusal.value.name == error_of("NotAuthorized"), member
        assert BRIDGE not in world.instance.links()
        world.call("List", user="owner")
        says("AUTH_ADMIN")
        until(lambda: answer() == CHALLENGE, "polkit's challenge")
        # Allowed to prompt, with nobody there to show it.
        assert world.refused("List", user="other", interactive=True).name == error_of("NotAuthorized")
    finally:
        world.root(f"rm -f {RULE}")
    until(lambda: answer() == "", "the rule is gone")


def test_a_rule_sees_method_vm_and_owner(world):
    rule = f"""polkit.addRule(function(action, subject) {{
        if (action.id == "org.banger.helper.machine" && action.lookup("method") == "Inspect" &&
            action.lookup("vm") == "{VM}" && action.lookup("owner") == "banger-owner") return polkit.Result.NO;
        return polkit.Result.NOT_HANDLED; }});"""
    try:
        world.instance.exec("sh", "-c", f"cat > {RULE}", user="root", input=rule)

        def stopped():
            try:
                world.call("Inspect", VM)
                return False
            except BusError as error:
                return error.name == error_of("NotAuthorized")

        until(stopped, "the rule holds")
        world.call("Inspect", "f" * 12)
        world.call("Inspect", VM, user="other")
        world.call("Kill", VM)
    finally:
        world.root(f"rm -f {RULE}")
    until(lambda: not stopped(), "the rule is gone")


def test_what_polkit_is_asked(mock):
    world, polkit = mock
    world.call("EnsureBridge", BRIDGE, NETWORK)
    world.call("CreateTap", VM, BRIDGE, interactive=True)
    world.call("Cleanup", VM)
    world.call("DeleteBridge", BRIDGE)
    asked = polkit.asked()
    assert [a["details"]["method"] for a in asked] == ["EnsureBridge", "CreateTap", "Cleanup", "DeleteBridge"]
    assert [a["flags"] for a in asked] == [0, 1, 0, 0]
    assert [a["action"].rpartition(".")[2] for a in asked] == ["network", "network", "machine", "network"]
    assert asked[1]["details"] == {"vm": VM, "owner": "banger-owner", "method": "CreateTap", "bridge": BRIDGE}
    assert asked[0]["details"]["vm"] == "" and "bridge" not in asked[2]["details"]
    assert asked[0]["subject"][0] == "system-bus-name" and asked[0]["subject"][1]["name"].startswith(":1.")


def test_polkit_is_asked_last(mock):
    world, polkit = mock
    world.refused("EnsureBridge", "eth0", NETWORK)
    world.refused("List", options={"x": ["b", True]})
    world.refused("Signal", VM, "STOP")
    assert polkit.asked() == []


@pytest.mark.parametrize("mode, interactive, name", [
    ("no", False, error_of("NotAuthorized")), ("no", True, error_of("NotAuthorized")),
    ("challenge", False, CHALLENGE), ("challenge", True, error_of("NotAuthorized")),
    ("dismissed", True, error_of("AuthorizationDismissed")), ("error", False, error_of("Unavailable"))])
def test_polkits_refusals(mock, mode, interactive, name):
    world, polkit = mock
    polkit.says(mode)
    for member in SIGNATURES:
        with pytest.raises(BusError) as refusal:
            world.ordinary(member, interactive=interactive)
        assert refusal.value.name == name, member
    assert len(polkit.asked()) == len(SIGNATURES)


def test_a_hanging_polkit(mock):
    world, polkit = mock
    polkit.says("hang")
    errors = []
    took = timed(lambda: errors.append(world.refused("Cleanup", VM)))
    assert errors[0].name == error_of("Timeout") and 1.4 < took < 20
    asked = polkit.asked()
    assert len(asked) == 2 and asked[1]["cancelled"] == asked[0]["cancel"]


def test_a_caller_that_leaves_takes_its_question_back(mock):
    world, polkit = mock
    polkit.says("hang")
    script = ("from gi.repository import Gio, GLib\nb = Gio.bus_get_sync(Gio.BusType.SYSTEM)\n"
              "b.call('org.banger.Helper1', '/org/banger/Helper1', 'org.banger.Helper1.Machine', 'List', "
              "GLib.Variant('(a{sv})', ({},)), None, Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION, -1, None, None)\n"
              "b.flush_sync()\nimport time\ntime.sleep(600)\n")
    process = world.instance.popen("/usr/bin/python3", "-I", "-c", script)
    try:
        asked = until(polkit.asked, "polkit is asked")
    finally:
        pid = world.root("pgrep -fn '[t]ime.sleep.600'").split()[0]
        world.root(f"kill -9 {pid}")
        process.wait(timeout=30)
    # Interactive: without the leaving, the question would stand for minutes.
    until(lambda: {"cancelled": asked[0]["cancel"]} in polkit.asked(), "the question is taken back")


def test_registration_is_looked_at_again_after_polkit(mock):
    world, polkit = mock
    polkit.says("hang")
    errors = []
    call = threading.Thread(target=lambda: errors.append(
        world.refused("EnsureBridge", "br-fc-late", "172.30.8.1/24", user="other", interactive=True)))
    world.root("cp /etc/banger/install.toml /tmp/kept.toml")
    try:
        call.start()
        until(polkit.asked, "polkit is asked")
        world.root("sed s/64002/64009/ /tmp/kept.toml > /etc/banger/new.toml; chmod 644 /etc/banger/new.toml; "
                   "mv /etc/banger/new.toml /etc/banger/install.toml")
        polkit.says("yes")
        call.join(timeout=60)
    finally:
        world.root("cp /tmp/kept.toml /etc/banger/new.toml; chmod 644 /etc/banger/new.toml; "
                   "mv /etc/banger/new.toml /etc/banger/install.toml")
    assert errors and errors[0].name == error_of("NotAuthorized") and "registered" in errors[0].message
    assert "br-fc-late" not in world.instance.links()


def test_ownership_is_looked_at_again_after_polkit(mock):
    world, polkit = mock
    polkit.says("hang")
    outcomes = {}

    def ensure(user):
        try:
            outcomes[user] = world.call("EnsureBridge", BRIDGE, NETWORK, user=user, interactive=True)
        except BusError as error:
            outcomes[user] = error.name

    calls = [threading.Thread(target=ensure, args=[user]) for user in ("owner", "other")]
    for call in calls:
        call.start()
    until(lambda: len(polkit.asked()) == 2, "both are asked about")
    polkit.says("yes")
    for call in calls:
        call.join(timeout=60)
    assert sorted(outcomes.values(), key=str) == sorted([[], error_of("NotAuthorized")], key=str)
    winner = next(user for user, outcome in outcomes.items() if outcome == [])
    world.call("DeleteBridge", BRIDGE, user=winner)


def test_calls_under_way_are_bounded(mock):
    world, polkit = mock
    polkit.says("hang")
    answers, _ = world.burst(80, "List")
    assert answers.count(error_of("Busy")) == 16 and answers.count(error_of("Timeout")) == 64
    polkit.says("yes")
    world.call("List")


FULL_CALLS = """
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)
loop, left = GLib.MainLoop(), 6
def answered(bus, result):
    global left
    try:
        bus.call_finish(result)
    except GLib.Error as error:
        print(Gio.DBusError.get_remote_error(error), flush=True)
    left -= 1
    if left == 0:
        loop.quit()
content = GLib.Variant.new_from_bytes(GLib.VariantType("ay"), GLib.Bytes.new(bytes(4 << 20)), True)
file = GLib.Variant.new_tuple(GLib.Variant("s", "/file"), content, *[GLib.Variant("u", value) for value in (0o644, 0, 0)])
for number in range(left):
    files = GLib.Variant.new_tuple(GLib.Variant("s", "abcdef012345"), GLib.Variant.new_array(None, [file]), GLib.Variant("a{sv}", {}))
    bus.call("org.banger.Helper1", "/org/banger/Helper1", "org.banger.Helper1.Storage", "WriteImageFiles", files, None, 0, 60000,
             None, answered)
loop.run()
"""


def test_what_calls_under_way_hold_is_bounded(mock):
    """16 MiB of an owner's, whose answers are then as they would have been."""
    world, polkit = mock
    polkit.forget()
    polkit.says("hang")
    calls = world.instance.popen("/usr/bin/python3", "-I", "-c", FULL_CALLS, stdout=-1)
    assert [calls.stdout.readline().decode().strip() for _ in range(2)] == [error_of("Busy")] * 2
    assert len(polkit.asked()) == 4
    polkit.says("yes")
    assert calls.communicate(timeout=60)[0].decode().split() == [error_of("NotFound")] * 4


def test_the_rate_of_calls_is_bounded(mock):
    world, _ = mock
    busy = 0
    for _ in range(12):
        answers, _ = world.burst(60, "List")
        assert set(answers) <= {"", error_of("Busy")}
        busy += answers.count(error_of("Busy"))
    answers, _ = world.burst(60, "List", user="other")  # another owner does not feel it
    assert set(answers) == {""}
    until(lambda: world.burst(1, "List")[0] == [""], "the bucket fills again", limit=10)
    assert world.log().count("too many calls") <= 30 or busy == 0


def test_without_polkit():
    with Instance(polkit="none", environment={"BANGER_IDLE_SECONDS": "600"}) as instance:
        for member, (interface, signature) in SIGNATURES.items():
            options = NULL if member == "Launch" else {}
            with pytest.raises(BusError) as refusal:
                instance.helper(interface, member, signature, [*ORDINARY[member], options],
                                files=[("/dev/null", "r"), ("/dev/null", "rw")] if member == "CreateSnapshot" else [])
            assert refusal.value.name == error_of("Unavailable"), member
        assert BRIDGE not in instance.links()


# --- the log


def test_one_line_for_each_call(world):
    op_id = "0123456789abcdef" * 2
    world.refused("Signal", VM, "TERM", options={"op-id": ["s", op_id]})
    line = world.log_line(op_id)
    for part in ("warning", "RESULT=NotFound", "CALLER_UID=64001", "METHOD=Signal", f"VM_ID={VM}", "DURATION_US=",
                 "ACTION=org.banger.helper.machine"):
        assert part in line
    error = world.refused("Signal", VM, "STOP", options={"op-id": ["s", op_id[::-1]]})
    assert f"operation: {op_id[::-1]}" in error.message
    assert "RESULT=InvalidArgument CALLER_UID=64001" in world.log_line(op_id[::-1])
    good = "f" * 32
    world.call("EnsureBridge", BRIDGE, NETWORK, options={"op-id": ["s", good]})
    assert "info" in world.log_line(good) and f"BRIDGE={BRIDGE}" in world.log_line(good)
    world.call("DeleteBridge", BRIDGE)
