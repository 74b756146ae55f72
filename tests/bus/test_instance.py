"""Private instances: that they start, answer, keep apart, and leave nothing, whatever of them is killed."""
import shutil
import signal
import subprocess

import pytest
from banger_test import BANGER, DBUS, RUN_ROOT, HostWatch, Instance, kill_and_wait, run, until, wait_ended, program_for_all

PARTS = ["supervisor", "system-bus", "session-bus", "polkitd"]


# --- start and stop


def test_start_answers_and_warns_once(unstarted):
    result = unstarted.start()
    assert result.stderr.count("warning") == 1 and "trying and testing only" in result.stderr
    status = unstarted.status()
    assert status["state"] == "running" and status["problems"] == [] and status["supported"] is False
    assert set(status["pids"]) == set(PARTS)
    assert unstarted.banger("status").returncode == 0
    assert "org.freedesktop.PolicyKit1" in unstarted.call(*DBUS, "ListNames", bus="system")[0]
    assert "org.banger.Helper1" in unstarted.call(*DBUS, "ListActivatableNames", bus="system")[0]
    assert "org.banger.Manager1" in unstarted.call(*DBUS, "ListActivatableNames", bus="session")[0]


def test_start_and_stop_are_idempotent(unstarted):
    unstarted.start()
    before = unstarted.status()
    again = unstarted.start()
    assert unstarted.status() == before and "already" in again.stdout and again.stderr == ""
    assert "is stopped" in unstarted.stop().stdout
    assert unstarted.leaks() == []
    assert "was not running" in unstarted.stop().stdout
    assert unstarted.banger("status", check=False).returncode == 3


def test_state_outlives_a_stop(unstarted):
    unstarted.start()
    unstarted.exec("sh", "-c", "echo kept > ~/file; echo gone > /tmp/file")
    assert (unstarted.home / "file").read_text() == "kept\n"
    unstarted.stop()
    unstarted.start()
    assert unstarted.exec("cat", "/home/banger-owner/file").stdout == "kept\n"
    assert unstarted.exec("ls", "/tmp").stdout == ""


def test_two_starts_at_once(unstarted):
    command = [str(unstarted.program), "instance", "start", "--name", unstarted.name, *map(str, unstarted.start_arguments())]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    unstarted.note()
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sum("warning" in err for _, err in outputs) == 1
    assert unstarted.status()["state"] == "running"


def test_instances_are_apart():
    with Instance() as one, Instance() as two:
        assert one.pid("supervisor") != two.pid("supervisor")
        one.exec("ip", "link", "add", "dummy7", "type", "bridge", user="root")
        assert "dummy7" in one.links() and "dummy7" not in two.links()
        assert "dummy7" not in HostWatch().links
        one.stop()
        assert two.status()["state"] == "running"


def test_a_state_folder_serves_one_instance(instance):
    second = instance.banger("start", "--state", instance.folder / "elsewhere", check=False)
    assert second.returncode == 6 and "runs with the state folder" in second.stderr
    thief = Instance()
    thief.state_dir = instance.state_dir
    refused = thief.banger("start", *thief.start_arguments(), check=False)
    assert refused.returncode == 5 and "another instance is using" in refused.stderr
    assert thief.leaks() == []
    assert instance.status()["state"] == "running"
    shutil.rmtree(thief.folder)


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "../x", "a/b", "a b", "x" * 64])
def test_bad_names_are_refused(name):
    for verb in ("start", "stop", "status", "env"):
        result = run([BANGER, "instance", verb, f"--name={name}"], check=False)
        assert result.returncode == 2, result


def test_needs_root():
    with program_for_all() as program:
        result = run(["setpriv", "--reuid=64003", "--regid=64003", "--clear-groups", program, "instance", "start"], check=False, cwd="/")
    assert result.returncode == 7 and "plays the whole machine" in result.stderr and "system install" in result.stderr


def test_a_foreign_home_is_refused(unstarted):
    unstarted.home.mkdir(parents=True)
    refused = unstarted.banger("start", *unstarted.start_arguments(), check=False)
    assert refused.returncode == 6 and "not a folder of uid" in refused.stderr
    assert unstarted.leaks() == []


def test_programs_where_the_accounts_cannot_go(unstarted, tmp_path):
    closed = tmp_path / "closed"
    (closed / "bin").mkdir(parents=True)
    (closed / "lib" / "banger").mkdir(parents=True)
    for path in [closed / "bin", closed / "lib", closed / "lib" / "banger"]:
        path.chmod(0o755)
    shutil.copy(BANGER, closed / "bin" / "banger")
    closed.chmod(0o700)
    unstarted.program = closed / "bin" / "banger"
    unstarted.start()
    assert unstarted.status()["bindir"] == "/run/banger-prefix/bin"
    assert unstarted.exec("sh", "-c", "command -v banger; ls -d /run/banger-prefix/lib/banger").stdout.split() == [
        "/run/banger-prefix/bin/banger", "/run/banger-prefix/lib/banger"]
    assert unstarted.exec("touch", "/run/banger-prefix/bin/x", user="root", check=False).returncode != 0


# --- what is killed


@pytest.mark.parametrize("part", PARTS)
def test_kill_a_part_then_stop(instance, part):
    kill_and_wait(instance.pid(part))
    instance.stop()
    until(lambda: not instance.leaks(), "no leak", limit=15)


def test_a_killed_supervisor_takes_everything_along(instance):
    pids = instance.status()["pids"]
    sleeper = instance.popen("sh", "-c", "echo ready; exec sleep 1000", stdout=subprocess.PIPE)
    assert sleeper.stdout.readline() == b"ready\n"
    instance.exec("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &", user="stranger")
    kill_and_wait(pids["supervisor"])
    assert sleeper.wait(timeout=30) == 137
    for pid in pids.values():
        wait_ended(pid)
    assert instance.status()["state"] == "stopped"
    instance.start()
    assert instance.status()["state"] == "running"


@pytest.mark.parametrize("part", ["system-bus", "session-bus"])
def test_a_dead_bus_is_told(instance, part):
    kill_and_wait(instance.pid(part))
    until(lambda: instance.status()["state"] == "degraded", "degraded")
    problems = instance.status()["problems"]
    assert f"{part} died: killed by signal 9" in problems
    # polkitd leaves when its bus does, maybe a moment before anybody looks.
    assert all(problem.startswith((part, "polkitd")) for problem in problems), problems
    assert instance.banger("status", check=False).returncode == 1
    refused = instance.banger("start", *instance.start_arguments(), check=False)
    assert refused.returncode == 6 and "stop it first" in refused.stderr


def test_polkitd_is_restarted_but_not_for_ever(instance):
    for count in range(1, 6):
        kill_and_wait(instance.pid("polkitd"))
        until(lambda: instance.status()["services"]["polkitd"]["restarts"] == count, f"restart {count}")
        assert instance.status()["state"] == "running"
    has_polkit = ("NameHasOwner", "(s)", ["org.freedesktop.PolicyKit1"])
    until(lambda: instance.call(*DBUS, *has_polkit, bus="system") == [True], "polkitd answers again")
    kill_and_wait(instance.pid("polkitd"))
    until(lambda: instance.status()["problems"] == ["polkitd died: killed by signal 9"], "given up")


@pytest.mark.parametrize("after", ["lock", "record", "services"])
def test_a_start_killed_half_way(unstarted, after):
    files = {"lock": RUN_ROOT / (unstarted.name + ".lock"), "record": unstarted.run_dir / "instance.json",
             "services": unstarted.run_dir / "conf" / "system.conf"}
    half = subprocess.Popen([str(unstarted.program), "instance", "start", "--name", unstarted.name,
                             *map(str, unstarted.start_arguments())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not files[after].exists() and half.poll() is None:
        pass
    half.kill()
    half.wait(timeout=30)
    unstarted.start()
    assert unstarted.status()["state"] == "running"
    unstarted.stop()
    until(lambda: not unstarted.leaks(), "no leak", limit=15)


def test_stop_wins_over_a_start_that_hangs(unstarted):
    held = subprocess.Popen([str(unstarted.program), "instance", "start", "--name", unstarted.name,
                             *map(str, unstarted.start_arguments())], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (unstarted.run_dir / "instance.json").exists() and held.poll() is None:
        pass
    if held.poll() is None:
        held.send_signal(signal.SIGSTOP)
    stopping = subprocess.Popen([str(unstarted.program), "instance", "stop", "--name", unstarted.name])
    # The stop ends the supervisor without the lock; the start then fails, once it is let go on.
    until(lambda: unstarted.status()["state"] == "stopped", "stopped")
    held.send_signal(signal.SIGCONT)
    assert stopping.wait(timeout=60) == 0
    held.wait(timeout=60)
    until(lambda: not unstarted.leaks(), "no leak", limit=15)


def test_stop_does_not_wait_for_the_deaf(instance):
    deaf = instance.popen("sh", "-c", "trap '' TERM HUP; echo ready; while :; do sleep 1000; done", stdout=subprocess.PIPE)
    assert deaf.stdout.readline() == b"ready\n"
    instance.stop()
    assert deaf.wait(timeout=30) == 137
