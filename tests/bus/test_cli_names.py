"""Verbs on several VMs: names, patterns and --all, failures of some, dry runs, the question before all are deleted."""
import json
import os
import signal

from banger_test import LIMIT
from cli_parts import drain, on_terminal


def states(cli):
    return {name: vm["state"] for name, vm in cli.vms().items()}


def three(cli):
    for name in ("web-1", "web-2", "db"):
        cli.create(name)


def test_patterns(cli):
    three(cli)
    result = cli("vm", "start", "web-*")
    assert result.stdout == "" and result.stderr == ""
    assert states(cli) == {"web-1": "running", "web-2": "running", "db": "created"}
    shown = json.loads(cli("vm", "show", "*-2", "db", "-o", "json").stdout)
    assert [vm["name"] for vm in shown] == ["web-2", "db"]
    assert json.loads(cli("vm", "stop", "web-1", "web-?", "-o", "json").stdout) == [{"name": "web-1"}, {"name": "web-2"}]
    result = cli("vm", "delete", "x*", "web-*", status=3)
    assert result.stderr == "banger: there is no VM whose name fits x*\n"
    assert states(cli) == {"db": "created"}


def test_all(cli):
    three(cli)
    cli("vm", "start", "--all")
    assert set(states(cli).values()) == {"running"}
    cli("vm", "stop", "db")
    cli("vm", "kill", "--all")
    assert set(states(cli).values()) == {"stopped"}
    assert "contradict" in cli("vm", "stop", "--all", "db", status=2).stderr
    assert "which VMs to stop?" in cli("vm", "stop", status=2).stderr
    result = cli("vm", "delete", "--all", status=2)
    assert "This will delete 3 VMs: web-1, web-2, db." in result.stderr and "--yes" in result.stderr
    assert len(states(cli)) == 3
    cli("vm", "delete", "--all", "--yes")
    assert states(cli) == {}
    assert cli("vm", "delete", "--all").stderr == ""  # nothing to ask about


def answered(cli, answer):
    process, master = on_terminal(cli, "vm", "delete", "--all")
    os.write(master, answer)
    text = drain(master)
    return process.wait(LIMIT), text


def test_the_question(cli):
    three(cli)
    status, text = answered(cli, b"\n")
    assert status == 11 and "Go on? [y/N]" in text and "nothing was done" in text
    assert len(states(cli)) == 3
    process, master = on_terminal(cli, "vm", "delete", "--all")
    text = b""
    while b"Go on?" not in text:
        text += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) in (130, -signal.SIGINT)
    os.close(master)
    assert len(states(cli)) == 3
    assert answered(cli, b"y\n")[0] == 0
    assert states(cli) == {}


def test_dry_runs_do_nothing(cli):
    three(cli)
    cli("vm", "start", "db")
    before = states(cli)
    assert cli("vm", "stop", "--dry-run", "d*").stdout == "Would stop db (running)\n"
    assert cli("vm", "start", "--all", "--dry-run").stdout == "Would start web-1 (created)\nWould start web-2 (created)\n"
    result = cli("vm", "delete", "--all", "--dry-run", status=6)
    assert result.stdout == "Would delete web-1 (created)\nWould delete web-2 (created)\n"
    assert "VM db is running; that takes --force" in result.stderr
    assert json.loads(cli("vm", "kill", "--dry-run", "db", "-o", "json").stdout) == [{"name": "db"}]
    assert "did you mean `web-1`" in cli("vm", "stop", "--dry-run", "web1", status=3).stderr
    assert cli("kernel", "delete", "--dry-run", "ti*").stdout == "Would delete tiny\n"
    assert states(cli) == before


def test_did_you_mean(cli):
    three(cli)
    for words, status in ((["stop", "wbe-1"], 3), (["show", "wbe-1"], 3), (["exec", "wbe-1", "--", "cat"], 125)):
        error = cli("vm", *words, status=status).stderr
        assert "there is no VM named wbe-1" in error and "did you mean `web-1`?" in error, error
    assert "did you mean `tiny`" in cli("kernel", "delete", "tny", status=3).stderr
    assert "did you mean" not in cli("vm", "stop", "nothing-like-it", status=3).stderr


def test_errors_of_several_name_theirs(cli):
    for name in ("slow-1", "slow-2"):
        cli.create(name, "--null-mode", "never-ready")
    result = cli("vm", "start", "--ready-timeout", "300ms", "slow-*", status=10)
    assert result.stderr.count("slow-1") == 1 and result.stderr.count("slow-2") == 1, result.stderr
