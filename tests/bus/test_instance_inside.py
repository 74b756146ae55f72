"""What a private instance is like inside: exec and env, the buses' and polkit's gates, the machine, the uplink."""
import json
import os
import pathlib
import pty
import shutil
import signal
import subprocess

import pytest
from banger_test import ACCOUNTS, BANGER, DBUS, BusError, HostWatch, Instance, kill_and_wait, run, until, wait_ended


def polkit_says(instance, user, action="org.banger.helper.machine"):
    """The status of pkcheck: 0 yes, 1 no, 2 would have to authenticate."""
    return instance.exec("sh", "-c", f"exec pkcheck -a {action} -p $$", user=user, check=False).returncode


# --- exec and env


def test_exec_users(instance):
    for word, uid in ACCOUNTS.items():
        assert instance.exec("id", "-u", user=word).stdout == f"{uid}\n"
        assert instance.exec("id", "-G", user=str(uid)).stdout == f"{uid}\n"
        assert instance.exec("sh", "-c", "cd && pwd && touch x", user=word).stdout == f"/home/banger-{word}\n"
    assert instance.exec("id", "-un", user="root").stdout == "root\n"
    assert instance.exec("id", "-u", user="12345").stdout == "12345\n"
    refused = instance.exec("true", user="nobody-such", check=False)
    assert refused.returncode == 3 and "no account" in refused.stderr


def test_exec_passes_status_input_and_environment(instance):
    assert instance.exec("sh", "-c", "exit 42", check=False).returncode == 42
    assert instance.exec("sh", "-c", "kill -9 $$", check=False).returncode == 137
    assert instance.exec("no-such-command", check=False).returncode == 127
    assert instance.exec("/etc/passwd", check=False).returncode == 126
    assert instance.exec("sh", "-c", "yes | head -n 1; exit 0").stderr == ""  # SIGPIPE is as usual
    assert instance.exec("cat", input="through\n").stdout == "through\n"
    instance.environment.update(MARK="here", XDG_DATA_HOME="/nowhere", DBUS_STARTER_ADDRESS="x")
    environment = dict(line.split("=", 1) for line in instance.exec("env").stdout.splitlines())
    assert environment["MARK"] == "here" and "XDG_DATA_HOME" not in environment and "DBUS_STARTER_ADDRESS" not in environment
    assert environment["HOME"] == "/home/banger-owner" and environment["BANGER_INSTANCE"] == instance.name
    assert environment["XDG_RUNTIME_DIR"] == "/run/user/64001"
    assert environment["PATH"].split(":")[0] + "/banger" == instance.inside_program()


def test_exec_without_an_instance(unstarted):
    refused = unstarted.exec("true", check=False)
    assert refused.returncode == 3 and "banger instance start --name" in refused.stderr


def test_exec_keeps_the_folder_and_words(instance):
    assert instance.exec("pwd", cwd="/usr/share").stdout == "/usr/share\n"
    assert instance.exec("pwd", cwd=instance.folder).stdout == "/home/banger-owner\n"
    assert instance.exec("printf", "%s|", "a b", "--", "-c", "", "--name").stdout == "a b|--|-c||--name|"


def test_exec_passes_signals(instance):
    script = "trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    child = instance.popen("sh", "-c", script, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.read() == b"term\n" and child.wait(timeout=30) == 5


def test_exec_on_a_terminal(instance):
    ours, theirs = pty.openpty()
    child = instance.popen("sh", "-c", "tty; trap 'echo int; exit 9' INT; echo ready; while :; do sleep 0.1; done",
                           stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
                           preexec_fn=lambda: __import__("fcntl").ioctl(theirs, 0x540E, 0))  # TIOCSCTTY
    name = os.ttyname(theirs)
    os.close(theirs)
    text = b""
    while b"ready" not in text:
        text += os.read(ours, 1024)
    assert name.encode() in text
    os.write(ours, b"\x03")
    assert child.wait(timeout=30) == 9
    os.close(ours)


def test_a_killed_exec_takes_its_command_along(instance):
    child = instance.popen("sh", "-c", "echo $$; exec sleep 1000", stdout=subprocess.PIPE)
    child.stdout.readline()
    inside = next(line for line in instance.exec("ps", "-eo", "pid,args").stdout.splitlines() if "sleep 1000" in line)
    child.kill()
    child.wait(timeout=30)
    until(lambda: "sleep 1000" not in instance.exec("ps", "-eo", "args").stdout, f"{inside} ended")


def test_env_starts_and_serves_a_shell(unstarted):
    result = unstarted.banger("env", *unstarted.start_arguments())
    unstarted.note()
    assert "warning" in result.stderr and "warning" not in result.stdout
    script = 'eval "$1"; command -v banger; echo $BANGER_INSTANCE; busctl list --acquired --no-legend; busctl --user list --no-legend'
    lines = run(["sh", "-ec", script, "sh", result.stdout]).stdout
    assert lines.splitlines()[:2] == [str(BANGER), unstarted.name]
    assert "org.freedesktop.PolicyKit1" in lines and "org.banger.Manager1" in lines
    assert unstarted.banger("env", *unstarted.start_arguments()).stderr == ""


# --- the machine inside


def test_the_buses_admit_whom_they_should(instance):
    for user in [*ACCOUNTS, "root"]:
        instance.call(*DBUS, "GetId", bus="system", user=user)
    for user in ["owner", "root"]:
        instance.call(*DBUS, "GetId", bus="session", user=user)
    for user in ["other", "stranger"]:
        with pytest.raises(BusError):
            instance.call(*DBUS, "GetId", bus="session", user=user)
    with pytest.raises(BusError):
        instance.call(*DBUS, "GetId", bus="system", user="12345")


def test_bus_policy_of_the_helper(instance):
    """Decided by the bus alone: an allowed call reaches, or activates, the helper; a denied one gets AccessDenied."""
    def denied(user, interface, member="NoSuchMethod"):
        try:
            instance.call("org.banger.Helper1", "/org/banger/Helper1", interface, member, user=user)
        except BusError as error:
            return error.name == "org.freedesktop.DBus.Error.AccessDenied"
        return False

    for part in ("Network", "Storage", "Machine"):
        assert denied("stranger", f"org.banger.Helper1.{part}")
        assert denied("root", f"org.banger.Helper1.{part}")
        assert not denied("owner", f"org.banger.Helper1.{part}")
        assert not denied("other", f"org.banger.Helper1.{part}")
    assert denied("stranger", "org.freedesktop.DBus.Peer", "Ping")
    assert denied("owner", "org.example.Else")
    for user in ("owner", "other", "stranger"):
        with pytest.raises(BusError, match="AccessDenied"):
            instance.call(*DBUS, "RequestName", "(su)", ["org.banger.Helper1", 0], user=user, bus="system")


def test_real_polkit_knows_the_owners(instance):
    for action in ("network", "resolver", "storage", "guest-files", "machine"):
        assert polkit_says(instance, "owner", f"org.banger.helper.{action}") == 0
        assert polkit_says(instance, "other", f"org.banger.helper.{action}") == 0
        assert polkit_says(instance, "stranger", f"org.banger.helper.{action}") == 2


def test_an_administrators_rule_wins(instance):
    example = pathlib.Path(__file__).resolve().parents[2] / "polkit" / "examples" / "10-banger-restrict.rules"
    rule = ('polkit.addRule(function(a, s) { if (a.id == "org.banger.helper.storage" && s.user == "banger-other") '
            'return polkit.Result.NO; return polkit.Result.NOT_HANDLED; });')
    instance.exec("sh", "-c", "cat > /etc/polkit-1/rules.d/10-admin.rules", user="root", input=rule)
    until(lambda: polkit_says(instance, "other", "org.banger.helper.storage") == 1, "the rule holds")
    assert polkit_says(instance, "owner", "org.banger.helper.storage") == 0
    assert polkit_says(instance, "other", "org.banger.helper.network") == 0
    instance.exec("sh", "-c", "cat > /etc/polkit-1/rules.d/10-admin.rules", user="root", input=example.read_text())
    until(lambda: polkit_says(instance, "other", "org.banger.helper.storage") == 0, "the example lets it through")


def test_without_polkit():
    with Instance(polkit="none") as instance:
        assert instance.status()["state"] == "running" and instance.status()["services"]["polkitd"]["state"] == "off"
        assert instance.call(*DBUS, "NameHasOwner", "(s)", ["org.freedesktop.PolicyKit1"], bus="system") == [False]


def test_the_machine_is_private(instance):
    host = HostWatch()
    script = ("hostname played; ip link add br-fc type bridge; sysctl -qw net.ipv4.ip_forward=1; mkdir /run/banger/x /var/lib/banger/y; "
              "echo x > /etc/new; touch /tmp/banger-private /dev/shm/banger-private; nft add table ip banger 2>/dev/null || true")
    instance.exec("sh", "-ec", script, user="root")
    assert HostWatch() == host
    for path in ("/run/banger/x", "/var/lib/banger/y", "/etc/new", "/tmp/banger-private", "/dev/shm/banger-private"):
        assert not pathlib.Path(path).exists()
    assert instance.exec("sh", "-c", "echo x >> /etc/fstab", user="root", check=False).returncode != 0
    assert instance.exec("test", "-e", "/run/systemd", check=False).returncode != 0
    assert instance.links() == ["br-fc", "lo"]
    assert "127.0.0.1" in instance.exec("ip", "-br", "addr", "show", "lo", "up").stdout


def test_install_metadata_and_subids(instance):
    text = instance.exec("cat", "/etc/banger/install.toml").stdout
    assert "banger-owner" in text and "banger-other" in text and "banger-stranger" not in text
    assert instance.exec("stat", "-c", "%u %a", "/etc/banger/install.toml").stdout == "0 644\n"
    assert "banger-owner:1900000000:65536" in instance.exec("cat", "/etc/subuid").stdout
    if shutil.which("newuidmap"):
        mapped = instance.exec("unshare", "--map-auto", "--map-root-user", "cat", "/proc/self/uid_map").stdout.split()
        assert mapped[:2] == ["0", "64001"] and "1900000000" in mapped


def test_devices_are_open_to_the_accounts(instance):
    for name in ("/dev/kvm", "/dev/net/tun"):
        if pathlib.Path(name).exists():
            before = os.stat(name)
            assert instance.exec("stat", "-c", "%a", name).stdout == "666\n"
            assert os.stat(name).st_mode == before.st_mode


def test_logs_begin_anew(instance):
    log = instance.state_dir / "log" / "system-bus.log"
    with open(log, "a", encoding="utf-8") as file:
        file.write("an old line\n")
    instance.stop()
    instance.start()
    assert "an old line" not in log.read_text()


# --- the uplink

slirp = pytest.mark.skipif(not shutil.which("slirp4netns"), reason="slirp4netns is not installed")


@slirp
def test_uplink_ends_with_the_instance():
    host = HostWatch()
    with Instance(network="uplink") as instance:
        assert instance.links() == ["lo", "tap0"]
        assert instance.exec("cat", "/etc/resolv.conf").stdout == "nameserver 10.0.2.3\n"
        uplink = instance.pid("uplink")
        kill_and_wait(instance.pid("supervisor"))
        wait_ended(uplink)
    assert HostWatch() == host


@slirp
def test_a_dead_uplink_is_told():
    with Instance(network="uplink") as instance:
        kill_and_wait(instance.pid("uplink"))
        assert instance.status()["problems"] == ["uplink died: slirp4netns is gone"]


@slirp
def test_names_resolve_through_the_uplink():
    name = "deb.debian.org"
    if run(["getent", "hosts", name], check=False).returncode != 0:
        pytest.skip(f"the host itself cannot resolve {name}")
    with Instance(network="uplink") as instance:
        assert instance.exec("getent", "hosts", name).stdout.split()[1:] == [name]


def test_status_text_says_what_it_is(instance):
    text = instance.banger("status").stdout
    assert "for trying and testing" in text and str(instance.state_dir) in text
    assert json.loads(instance.banger("status", "-o", "json").stdout)["name"] == instance.name
    assert instance.banger("status", "-o", "xml", check=False).returncode == 2
