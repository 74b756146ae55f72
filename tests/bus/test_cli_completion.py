"""Completion: what is offered, and that bash, zsh and fish get it from there."""
import os
import shutil
import subprocess

import pytest
from banger_test import BANGER, LIMIT, run


def offered(cli, *words):
    """The words that are offered in place of the last of these."""
    return [line.split("\t")[0] for line in cli("__complete", *words).stdout.splitlines()]


def test_commands_and_options(cli):
    assert offered(cli, "k") == ["kernel"]
    assert {"vm", "image", "instance", "ps", "doctor"} <= set(offered(cli, ""))
    assert sorted(offered(cli, "vm", "st")) == ["start", "stats", "stop"]
    assert "Shut VMs down" in cli("__complete", "vm", "stop").stdout
    assert offered(cli, "vm", "run", "--im") == ["--image"] and offered(cli, "vm", "run", "--null") == []
    assert offered(cli, "vm", "list", "-o", "") == ["table", "json", "yaml"]
    assert offered(cli, "completion", "") == ["bash", "zsh", "fish"]
    for words in ([], ["nope", ""], ["vm", "nope", "x"], ["vm", "run", "--", ""], ["vm", "exec", "web", "--", "l"]):
        assert offered(cli, *words) == []


def test_names(cli):
    for name in ("web-1", "web-2"):
        cli.create(name)
    cli("vm", "start", "web-2")
    assert offered(cli, "vm", "start", "") == ["web-1"] and offered(cli, "vm", "stop", "w") == ["web-2"]
    assert offered(cli, "vm", "delete", "web-1", "") == ["web-2"]
    assert offered(cli, "vm", "create", "--kernel", "") == ["tiny"] and offered(cli, "kernel", "delete", "t") == ["tiny"]


def test_nobody_is_woken_and_nothing_is_said():
    environment = {"PATH": os.environ["PATH"], "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent/bus"}
    result = run([BANGER, "__complete", "vm", "stop", ""], check=False, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_the_daemon_is_not_started(unstarted):
    unstarted.start()
    assert unstarted.exec("banger", "__complete", "vm", "stop", "").stdout == ""
    assert "not running" in unstarted.exec("banger", "version").stdout


@pytest.fixture(scope="module")
def scripts(cli_place):
    """A folder of the owner's with banger and the scripts, as it is seen inside."""
    folder = cli_place.instance.home / "completion"
    folder.mkdir(mode=0o755)
    (folder / "banger").symlink_to(BANGER)
    for shell in ("bash", "zsh", "fish"):
        (folder / shell).write_text(run([BANGER, "completion", shell]).stdout)
    return "/home/banger-owner/completion"


def in_shell(cli, scripts, shell, *words):
    """What the shell says, with `banger` found where the scripts are."""
    return cli.instance.exec("env", f"PATH={scripts}:{os.environ['PATH']}", shell, *words, check=False, timeout=LIMIT).stdout


def test_bash(cli, scripts):
    cli.create("web")
    script = f"""source {scripts}/bash
COMP_WORDS=(banger vm start "$1"); COMP_CWORD=3; _banger banger; printf '%s\\n' "${{COMPREPLY[@]}}"
COMP_WORDS=(banger vm sto); COMP_CWORD=2; _banger banger; printf '%s\\n' "${{COMPREPLY[@]}}"
complete -p banger"""
    assert in_shell(cli, scripts, "bash", "-c", script, "-", "w").splitlines() == \
        ["web", "stop", "complete -o default -F _banger banger"]


@pytest.mark.skipif(not shutil.which("fish"), reason="SKIP: fish is not installed")
def test_fish(cli, scripts):
    cli.create("web")
    script = f"source {scripts}/fish; complete -C 'banger vm start w'; complete -C 'banger vm sto'"
    assert in_shell(cli, scripts, "fish", "-c", script).splitlines() == ["web", "stop\tShut VMs down"]


@pytest.mark.skipif(not shutil.which("zsh"), reason="SKIP: zsh is not installed")
def test_zsh(cli, scripts):
    """Its completion system works in an interactive shell only: one on a terminal, where Tab is pressed."""
    cli.create("web")
    process = cli.instance.popen("env", f"PATH={scripts}:{os.environ['PATH']}", "TERM=dumb", "PS1=ready> ", "script", "-qc", "zsh -f -i",
                        "/dev/null", stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def until_said(wanted):
        text = b""
        while wanted not in text:
            piece = os.read(process.stdout.fileno(), 4096)
            assert piece, text.decode()
            text += piece

    def say(text):
        process.stdin.write(text)
        process.stdin.flush()

    until_said(b"ready> ")
    say(f"autoload -U compinit; compinit -D -u; source {scripts}/zsh; echo lo''aded\n".encode())
    until_said(b"loaded\r")
    say(b'banger vm start w\t\x01print -r -- do""ne "\x05"\n')  # Tab, then the whole line as print's argument
    until_said(b"done banger vm start web")
    say(b"exit\n")
    process.communicate(timeout=LIMIT)
