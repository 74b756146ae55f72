"""banger vm run: a fresh VM per command."""
import signal

from guest import until


def test_the_command_runs_under_the_guests_kernel(clean):
    result = clean.cli("vm", "run", "--rm", "--", "uname", "-r")
    version = result.stdout.splitlines()[-1]
    assert version == clean.cli("kernel", "list", "-o", "json").stdout.split('"version": "')[1].split('"')[0]
    assert result.stdout == version + "\n"
    clean.expect_no_traces()


def test_exit_status_outputs_and_input_pass_through(clean):
    script = 'tr a-z A-Z; echo "to stderr" >&2; exit 7'
    result = clean.cli("vm", "run", "--rm", "--", "sh", "-c", script, input="hello\n", check=False)
    assert (result.returncode, result.stdout) == (7, "HELLO\n")
    assert "to stderr\n" in result.stderr


def test_a_command_that_is_not_there_is_127(clean):
    result = clean.cli("vm", "run", "--rm", "--", "no-such-command", check=False)
    assert result.returncode == 127 and "no-such-command" in result.stderr


def test_without_rm_the_vm_stays_stopped(clean):
    clean.cli("vm", "run", "--name", "kept", "--", "sh", "-c", "echo saved > /root/note")
    until(lambda: clean.state_of("kept") == "stopped", "the VM is stopped")
    clean.cli("vm", "start", "kept")
    assert clean.cli("vm", "exec", "kept", "--", "cat", "/root/note").stdout == "saved\n"


def test_detached(clean):
    name = clean.cli("vm", "run", "--detach").stdout.strip()
    assert clean.state_of(name) == "running"
    assert clean.cli("vm", "list", "-q").stdout.split() == [name]
    assert clean.cli("vm", "exec", name, "--", "hostname").stdout == name + "\n"


def test_a_killed_client_takes_its_vm_along(clean):
    client = clean.cli_popen("vm", "run", "--rm", "--name", "tied", "--", "sh", "-c", "echo started; sleep 1000", stdout=-1)
    assert client.stdout.readline() == b"started\n"
    client.send_signal(signal.SIGKILL)
    client.wait()
    client.stdout.close()
    until(lambda: clean.vms() == {}, "the VM is gone")
    clean.expect_no_traces()


def test_refusals_say_what_to_do(clean):
    def refused(*arguments, status=125):
        result = clean.cli(*arguments, check=False)
        assert result.returncode == status, result.stderr
        assert result.stdout == ""
        return result.stderr

    assert "no-such-image" in refused("vm", "run", "--rm", "--image", "no-such-image", "--", "true")
    assert "no-such-kernel" in refused("vm", "run", "--rm", "--kernel", "no-such-kernel", "--", "true")
    assert "Bad_Name" in refused("vm", "run", "--rm", "--name", "Bad_Name", "--", "true")
    assert "memory" in refused("vm", "run", "--rm", "--memory", "4000G", "--", "true").lower()
    assert "missing" in refused("vm", "exec", "missing", "--", "true")
    clean.expect_no_traces()
