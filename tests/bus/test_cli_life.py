"""What becomes of a VM, on the command line: restart, pause and resume, signals, changes, names, protection, waiting."""
import json
import re
import signal

from banger_test import LIMIT


def state(cli, name):
    return cli.vms()[name]["state"]


def test_restart(cli):
    cli.create("web")
    cli("vm", "restart", "web")
    first = cli.vms()["web"]
    assert first["state"] == "running"
    result = cli("vm", "restart", "--timeout", "5s", "we*")
    assert result.stdout == "" and result.stderr == ""
    second = cli.vms()["web"]
    assert second["state"] == "running" and second["pid"] != first["pid"]


def test_pause_and_resume(cli):
    cli.create("web")
    assert "web" in cli("vm", "pause", "web", status=6).stderr
    cli("vm", "start", "web")
    cli("vm", "pause", "--all")
    assert state(cli, "web") == "paused"
    assert cli("vm", "list", "-q", "--filter", "state=paused").stdout == "web\n"
    cli("vm", "resume", "web")
    cli("vm", "resume", "web")
    assert state(cli, "web") == "running"


def test_signals(cli):
    cli.create("web")
    assert cli("vm", "kill", "-s", "TERM", "web", status=6).stderr.startswith("banger: ")
    cli("vm", "start", "web")
    assert "the signals are TERM, " in cli("vm", "kill", "--signal", "WINCH", "web", status=2).stderr
    cli("vm", "kill", "--signal", "sigkill", "web")
    vm = cli.vms()["web"]
    assert vm["state"] == "stopped" and vm["exit_reason"] == "killed"
    assert cli("vm", "list", "--all", "--no-header").stdout.split()[1:3] == ["stopped", "-"]


def test_set(cli):
    cli.create("web")
    cli("vm", "set", "web", "--memory", "1G", "--vcpu", "3", "--disk", "6G", "--no-nat", "--auto-stop-after", "2h", "--autostart")
    vm = cli.vms()["web"]
    assert (vm["memory_mib"], vm["vcpus"], vm["disk_bytes"], vm["nat"], vm["auto_stop_after_s"], vm["autostart"]) == \
        (1024, 3, 6 << 30, False, 7200, True)
    shown = cli("vm", "show", "web").stdout
    assert "Auto stop:    after 2 hours\n" in shown and "Autostart:    yes\n" in shown
    assert cli("vm", "set", "web", "--disk", "1G", status=2).stderr.startswith("banger: ")
    assert "nothing to change" in cli("vm", "set", "web", status=2).stderr
    assert cli("vm", "set", "--dry-run", "web", "--memory", "2G").stdout == "Would change web (created)\n"
    assert json.loads(cli("vm", "set", "web", "--nat", "-o", "json").stdout) == [{"name": "web"}]
    cli("vm", "start", "web")
    cli("vm", "set", "web", "--memory", "2G", status=6)
    assert cli.vms()["web"]["memory_mib"] == 1024 and cli.vms()["web"]["nat"]


def test_names(cli):
    cli.create("web")
    cli.create("db")
    cli("vm", "rename", "web", "www")
    assert set(cli.vms()) == {"www", "db"}
    cli("vm", "rename", "www", "db", status=4)
    cli("vm", "rename", "www", "Not_A_Label", status=2)
    assert "did you mean `www`" in cli("vm", "rename", "wwe", "x", status=3).stderr
    assert json.loads(cli("vm", "rename", "www", "web", "-o", "json").stdout) == {"name": "web"}


def test_protection(cli):
    cli.create("gold")
    cli.create("dust")
    cli("vm", "protect", "gold")
    assert cli.vms()["gold"]["protected"]
    assert "protected" in cli("vm", "delete", "--force", "gold", status=6).stderr
    assert "`banger vm protect --off gold`" in cli("vm", "delete", "--dry-run", "gold", status=6).stderr
    cli("vm", "delete", "--all", "--yes")
    assert set(cli.vms()) == {"gold"}
    assert cli("vm", "protect", "--off", "--dry-run", "gold").stdout == "Would unprotect gold (created)\n"
    cli("vm", "protect", "--off", "gold")
    cli("vm", "delete", "gold")
    assert cli.vms() == {}


def test_wait(cli):
    cli.create("web")
    assert cli("vm", "wait", "web").stdout == "created\n"
    result = cli("vm", "wait", "web", "--until", "running,paused", "--timeout", "100ms", status=10)
    assert result.stdout == "" and "web" in result.stderr
    waiting = cli.popen("vm", "wait", "web", "--until", "running", "-o", "json", stdout=-1)
    cli("vm", "start", "web")
    out, _ = waiting.communicate(timeout=LIMIT)
    assert waiting.returncode == 0 and json.loads(out) == \
        {"name": "web", "state": "running", "exit_reason": "", "exit_detail": ""}
    interrupted = cli.popen("vm", "wait", "web")
    interrupted.send_signal(signal.SIGINT)
    assert interrupted.wait(LIMIT) in (130, -signal.SIGINT)
    gone = cli.popen("vm", "wait", "web", "--until", "failed", stderr=-1)
    cli("vm", "delete", "--force", "web")
    assert gone.wait(LIMIT) == 3
    gone.stderr.close()


def test_prune(cli):
    for name in ("stopped", "gold", "running"):
        cli.create(name, "--start")
    cli("vm", "stop", "stopped", "gold")
    cli("vm", "protect", "gold")
    assert cli("vm", "prune", "--dry-run").stdout.startswith("Would delete stopped\nWould free ")
    error = cli("vm", "prune", status=2).stderr
    assert "This will delete 1 stopped or failed VM: stopped." in error and "--yes" in error
    assert set(cli.vms()) == {"stopped", "gold", "running"}
    assert json.loads(cli("vm", "prune", "--yes", "-o", "json").stdout)["names"] == ["stopped"]
    assert set(cli.vms()) == {"gold", "running"}
    assert cli("vm", "prune").stdout == "Freed 0 B\n"
    cli("vm", "protect", "--off", "gold")


def console(cli, name):
    return cli.instance.home / ".local/share/banger/vms" / cli.vms()[name]["id"] / "console.log"


def test_logs(cli):
    cli.create("web")
    assert "web" in cli("vm", "logs", "web", status=3).stderr
    cli("vm", "start", "web")
    with open(console(cli, "web"), "a", encoding="utf-8") as log:
        log.write("one\r\ntwo\r\nthree\r\n")
        log.flush()
        assert cli("vm", "logs", "web").stdout.endswith("one\ntwo\nthree\n")
        assert cli("vm", "logs", "-n", "2", "web").stdout == "two\nthree\n"
        assert cli("vm", "logs", "-n", "0", "web").stdout == ""
        following = cli.popen("vm", "logs", "-n", "1", "-f", "web", stdout=-1)
        assert following.stdout.readline() == b"three\n"
        log.write("four\r\n")
        log.flush()
        assert following.stdout.readline() == b"four\n"
    cli("vm", "stop", "web")
    assert following.wait(LIMIT) == 0
    following.stdout.close()
    assert "did you mean `web`" in cli("vm", "logs", "wbe", status=3).stderr


def test_stats(cli):
    cli.create("web", "--start")
    cli.create("db")
    assert [one["name"] for one in json.loads(cli("vm", "stats", "-o", "json").stdout)] == ["web"]
    web, db = json.loads(cli("vm", "stats", "web", "db", "-o", "json").stdout)
    assert web["state"] == "running" and web["memory_limit_bytes"] == 512 << 20 and web["processes"] >= 1
    assert web["memory_bytes"] > 0 and web["uptime_usec"] > 0 and web["disk_bytes"] == 4 << 30
    assert db["state"] == "created" and db["memory_bytes"] is None and db["disk_bytes"] == 4 << 30
    header, row, other = cli("vm", "stats", "web", "db").stdout.splitlines()
    assert header.startswith("NAME  STATE    CPU TIME") and " / 512 MiB " in row
    assert re.search(r" running  \d+\.\d s ", row), row
    assert other.split()[:5] == ["db", "created", "-", "-", "-"]
    assert cli("vm", "stats", "x*", status=3).stdout.startswith("NAME ")
