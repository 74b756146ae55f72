"""The command line against the real daemon and helper, with VMs of the kind null: what is printed where, exit statuses,
signals, and that nothing is left. The null guest's commands copy standard input to standard output."""
import json
import os
import re
import signal
import subprocess

import pytest
from banger_test import BANGER, LIMIT, run
from cli_parts import drain, on_terminal

OP_ID = re.compile(r"^  operation: [0-9a-f]{32}$", re.M)


# --- running commands


def test_run_passes_the_streams_and_nothing_else(cli):
    result = cli.run("--rm", "--", "cat", input="in and out\n")
    assert result.stdout == "in and out\n" and result.stderr == ""
    cli.wait_for(lambda vms: not vms, "the VM was deleted")


def test_run_is_exact_with_bytes(cli):
    blob = os.urandom(2_000_000)
    process = cli.popen("vm", "run", *cli.vm_options, "--rm", "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = process.communicate(blob, timeout=LIMIT)
    assert process.returncode == 0 and out == blob


def test_run_without_rm_keeps_the_stopped_vm(cli):
    cli.run("--name", "kept", "--", "cat")
    cli.wait_for(lambda vms: vms["kept"]["state"] == "stopped", "the VM stopped")
    assert cli("vm", "list", "-q").stdout == ""
    assert cli("vm", "list", "--all", "-q").stdout == "kept\n"


def test_a_time_limit_ends_the_command(cli):
    process = cli.popen("vm", "run", *cli.vm_options, "--rm", "--timeout", "300ms", "--", "cat", stdin=subprocess.PIPE)
    assert process.wait(LIMIT) == 124
    process.stdin.close()


def test_detached(cli):
    assert cli.run("--detach", "--name", "dev").stdout == "dev\n"
    assert cli.vms()["dev"]["state"] == "running"
    assert cli("ps", "-q").stdout == "dev\n"
    assert cli("vm", "exec", "dev", "--", "cat", input="hello").stdout == "hello"
    assert json.loads(cli.run("-d", "--name", "dev2", "-o", "json").stdout)["name"] == "dev2"


def test_run_a_workspace(cli):
    repo = cli.instance.home / "repo"
    (repo / "sub").mkdir(parents=True, exist_ok=True)
    run(["git", "init", "-q", repo])
    (repo / "sub" / "file").write_text("x")
    run(["git", "-C", repo, "add", "."])
    assert cli.run("--rm", "/home/banger-owner/repo/sub", "--", "cat", input="hi").stdout == "hi"
    assert "not in a git repository" in cli.run("--rm", "/usr", "--", "cat", status=125).stderr


# --- failures


def test_a_guest_that_is_never_ready(cli):
    result = cli.run("--rm", "--null-mode", "never-ready", "--ready-timeout", "500ms", "--", "cat", status=125)
    assert result.stdout == "" and "not ready" in result.stderr
    assert "  step: ready\n" in result.stderr and "  try: " in result.stderr and OP_ID.search(result.stderr)
    cli.wait_for(lambda vms: not vms, "nothing is left")


def test_a_vmm_that_dies_at_start(cli):
    result = cli("vm", "create", *cli.vm_options, "--start", "--null-mode", "die-at-start", "--rm", status=2)
    assert "unknown option '--rm'" in result.stderr
    result = cli.run("--rm", "--null-mode", "die-at-start", "--", "cat", status=125)
    assert "  step: " in result.stderr
    cli.wait_for(lambda vms: not vms, "nothing is left")


def test_errors_have_their_exit_statuses(cli):
    assert "no VM named nope" in cli("vm", "show", "nope", status=3).stderr
    assert cli("vm", "exec", "nope", "--", "true", status=125).stdout == ""
    cli.create("twice")
    cli("vm", "create", *cli.vm_options, "--name", "twice", status=4)
    cli("vm", "create", "--name", "Not_A_Label", status=2)
    cli("kernel", "delete", "nope", status=3)
    cli.run("--detach", "--name", "busy")
    assert "--force" in cli("vm", "delete", "busy", status=6).stderr


def test_errors_as_json(cli):
    result = cli("vm", "show", "nope", "-o", "json", status=3)
    assert result.stdout == "" and result.stderr.count("\n") == 1
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "NotFound" and "nope" in error["message"] and len(error["operation"]) == 32
    assert json.loads(cli("vm", "shwo", "-o", "json", status=2).stderr)["error"]["code"] == "InvalidArgument"


def test_of_several_names_each_is_tried(cli):
    for name in ("one", "two"):
        cli.create(name)
    result = cli("vm", "delete", "one", "nope", "two", "neither", status=3)
    assert "nope" in result.stderr and "neither" in result.stderr
    assert cli.vms() == {}


def test_usage_errors_ask_nobody(cli):
    assert "did you mean `vm run`" in cli("vm", "rnu", status=2).stderr
    assert "did you mean `--name`" in cli.run("--nmae", "x", status=125).stderr
    assert "contradict" in cli("vm", "list", "--all", "--latest", status=2).stderr
    assert "needs a terminal" in cli.run("--rm", status=125).stderr
    assert "takes no command" in cli("vm", "list", "--", "x", status=2).stderr
    assert cli.vms() == {}


def test_without_a_bus_there_is_something_to_do():
    environment = {"PATH": os.environ["PATH"]}
    result = run([BANGER, "vm", "list"], check=False, env=environment)
    assert result.returncode == 12 and "no session bus" in result.stderr and "banger instance start" in result.stderr
    environment["DBUS_SESSION_BUS_ADDRESS"] = "unix:path=/nonexistent/bus"
    result = run([BANGER, "vm", "list"], check=False, env=environment)
    assert result.returncode == 12 and "cannot reach the session bus" in result.stderr
    result = run([BANGER, "version"], check=False, env=environment)
    assert result.returncode == 0 and result.stdout.startswith("banger:")


# --- life, and what is shown


def test_the_life_of_a_vm(cli):
    cli.create("web", "--memory", "256", "--vcpu", "1", "--disk", "1G")
    vm = cli.vms()["web"]
    assert vm["state"] == "created" and vm["memory_mib"] == 256 and vm["vcpus"] == 1 and vm["disk_bytes"] == 1 << 30
    assert vm["started_at"] is None and vm["created_at"].endswith("Z") and vm["vmm"] == "null"
    for verb, state in (("start", "running"), ("start", "running"), ("stop", "stopped"), ("stop", "stopped"),
                        ("start", "running"), ("kill", "stopped")):
        result = cli("vm", verb, "web")
        assert result.stdout == "" and result.stderr == ""
        assert cli.vms()["web"]["state"] == state
    assert json.loads(cli("vm", "show", "web", "-o", "json").stdout) == cli.vms()["web"]
    assert "State:        stopped\n" in cli("vm", "show", vm["id"]).stdout
    assert '  state: "stopped"' in cli("vm", "list", "--all", "-o", "yaml").stdout
    assert cli("vm", "delete", "web").stdout == ""
    assert json.loads(cli("vm", "list", "-a", "-o", "json").stdout) == []


def test_latest(cli):
    for name in ("older", "newer"):
        cli.create(name)
    assert cli("vm", "list", "--latest", "-q").stdout == "newer\n"


def test_kernels_and_images(cli):
    kernels = json.loads(cli("kernel", "list", "-o", "json").stdout)
    assert [kernel["name"] for kernel in kernels] == ["tiny"] and kernels[0]["version"] == "6.1.0-test"
    assert cli("kernel", "list", "-q").stdout == "tiny\n"
    assert cli("kernel", "import", "--name", "second", "/home/banger-owner/vmlinux").stdout == "second\n"
    cli("kernel", "import", "--name", "second", "/home/banger-owner/vmlinux", status=4)
    assert cli("kernel", "delete", "second").stdout == ""
    assert "No such file" in cli("kernel", "import", "missing", status=3).stderr
    cli.create("user-of-tiny")
    cli("kernel", "delete", "tiny", status=5)
    assert json.loads(cli("image", "list", "-o", "json").stdout) == []


def test_version(cli):
    cli("vm", "list")
    shown = json.loads(cli("version", "-o", "json").stdout)
    assert shown["client"] == {"version": shown["daemon"]["version"]}
    assert shown["daemon"]["installation"] == cli.instance.name


# --- signals


def start_never_ready(cli, **more):
    process = cli.popen("vm", "run", *cli.vm_options, "--rm", "--null-mode", "never-ready", "--", "cat",
                        stdin=subprocess.DEVNULL, **more)
    cli.wait_for(lambda vms: any(vm["state"] == "starting" for vm in vms.values()), "the VM starts")
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_what_is_under_way(cli, number):
    process = start_never_ready(cli)
    process.send_signal(number)
    assert process.wait(LIMIT) == 128 + number
    cli.wait_for(lambda vms: not vms, "nothing is left")


def test_a_signal_goes_to_the_command(cli):
    process = cli.popen("vm", "run", *cli.vm_options, "--rm", "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b"ready\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT) == 128 + signal.SIGTERM
    process.stdin.close()
    process.stdout.close()
    cli.wait_for(lambda vms: not vms, "the VM was deleted")


@pytest.mark.parametrize("remove", [["--rm"], []])
def test_a_killed_run_leaves_nothing_running(cli, remove):
    command = ["banger", "vm", "run", *cli.vm_options, *remove, "--", "cat"]
    script = f"echo $$; exec {' '.join(map(str, command))}"
    process = cli.instance.popen("sh", "-c", script, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    pid = process.stdout.readline().decode().strip()  # as it is seen inside
    process.stdin.write(b"ready\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"ready\n"
    cli.instance.exec("kill", "-9", pid, user="root")
    process.wait(LIMIT)
    process.stdin.close()
    process.stdout.close()
    expected = [] if remove else ["stopped"]
    cli.wait_for(lambda vms: [vm["state"] for vm in vms.values()] == expected, "the VM ended")


# --- terminals


def test_progress_is_shown_on_a_terminal_and_cleared(cli):
    process, master = on_terminal(cli, "vm", "start", "nope")
    text = drain(master)
    assert process.wait(LIMIT) == 3 and "no VM named nope" in text and "\x1b[K" not in text
    cli.create("slow", "--null-mode", "never-ready")
    process, master = on_terminal(cli, "vm", "start", "--ready-timeout", "800ms", "slow")
    text = drain(master)
    assert process.wait(LIMIT) == 10
    shown, _, rest = text.rpartition("\r\x1b[K")
    assert "ready" in shown and rest.startswith("banger: ")


def test_no_progress_on_a_pipe(cli):
    cli.create("slow", "--null-mode", "never-ready")
    result = cli("vm", "start", "--ready-timeout", "800ms", "slow", status=10)
    assert "\x1b" not in result.stderr and result.stderr.startswith("banger: ")
