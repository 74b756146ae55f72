"""banger vm exec: many commands in one running VM."""
import concurrent.futures
import hashlib
import os
import signal
import time

import pytest

from guest import LIMIT, Terminal

BIG = 50 << 20


def run(guests, box, *command, options=(), **more):
    return guests.cli("vm", "exec", *options, box, "--", *command, check=False, **more)


@pytest.mark.parametrize("script, status", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143),
                                            ("kill -KILL $$", 137)])
def test_exit_status(guests, box, script, status):
    assert run(guests, box, "sh", "-c", script).returncode == status


def test_no_such_command_and_no_permission(guests, box):
    assert run(guests, box, "no-such-command").returncode == 127
    assert run(guests, box, "/etc/passwd").returncode == 126


def test_outputs_stay_apart(guests, box):
    result = run(guests, box, "sh", "-c", "for i in 1 2 3; do echo out$i; echo err$i >&2; done")
    assert (result.stdout, result.stderr) == ("out1\nout2\nout3\n", "err1\nerr2\nerr3\n")


def test_words_arrive_as_they_are(guests, box):
    words = ["a b", "$HOME", "*", "'\"", "", "ü", "-n", "--", "new\nline"]
    assert run(guests, box, "printf", "%s|", *words).stdout == "".join(word + "|" for word in words)


def test_environment_and_folder(guests, box):
    result = run(guests, box, "sh", "-c", 'echo "$GREETING"; pwd', options=["-e", "GREETING=hello there", "-w", "/tmp"])
    assert result.stdout == "hello there\n/tmp\n"
    assert run(guests, box, "true", options=["-w", "/no/such/folder"]).returncode != 0


def test_another_user(guests, box):
    result = run(guests, box, "sh", "-c", "id -un; echo $HOME", options=["-u", "games"])
    assert result.stdout == "games\n/usr/games\n"
    assert run(guests, box, "id", "-u", options=["--user", "65534"]).stdout == "65534\n"
    result = run(guests, box, "true", options=["--user", "nobody-at-all"])
    assert result.returncode == 125 and "nobody-at-all" in result.stderr


def test_input_ends(guests, box):
    assert run(guests, box, "wc", "-c", input="x" * 1000).stdout == "1000\n"
    assert run(guests, box, "cat", input="").stdout == ""


def test_a_command_that_does_not_read_its_input(guests, box):
    result = guests.cli_bytes("vm", "exec", box, "--", "true", stdin=b"x" * (4 << 20))
    assert result.returncode == 0


def test_big_data_out(guests, box):
    script = f"head -c {BIG} /dev/urandom > /tmp/big && sha256sum < /tmp/big >&2 && cat /tmp/big && rm /tmp/big"
    result = guests.cli_bytes("vm", "exec", box, "--", "sh", "-c", script, timeout=300)
    assert result.returncode == 0 and len(result.stdout) == BIG
    assert hashlib.sha256(result.stdout).hexdigest() == result.stderr.decode().split()[0]


def test_big_data_in_and_back(guests, box):
    data = os.urandom(BIG)
    result = guests.cli_bytes("vm", "exec", box, "--", "sh", "-c", "tee /tmp/big; sha256sum < /tmp/big >&2; rm /tmp/big",
                              stdin=data, timeout=300)
    assert result.returncode == 0 and result.stdout == data
    assert hashlib.sha256(data).hexdigest() == result.stderr.decode().split()[0]


def test_a_reader_that_goes_away_ends_the_command(guests, box):
    client = guests.cli_popen("vm", "exec", box, "--", "sh", "-c", "yes; echo $? > /tmp/yes-ended", stdout=-1, stderr=-3)
    assert client.stdout.read(2) == b"y\n"
    client.stdout.close()
    client.wait(LIMIT)
    script = "for i in $(seq 100); do test -e /tmp/yes-ended && exit 0; sleep 0.1; done; exit 1"
    assert run(guests, box, "sh", "-c", script).returncode == 0


def test_many_at_once(guests, box):
    def one(number):
        text = f"{number}:" + "x" * 10000
        result = run(guests, box, "sh", "-c", f"cat; exit {number}", input=text)
        return result.returncode == number and result.stdout == text

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(one, range(8)))
    # And while all eight are held open, a ninth is refused in words or served, but never hangs.
    held = [guests.cli_popen("vm", "exec", box, "--", "sh", "-c", "echo up; cat", stdin=-1, stdout=-1) for _ in range(8)]
    assert all(client.stdout.readline() == b"up\n" for client in held)
    ninth = run(guests, box, "echo", "ninth")
    assert ninth.stdout == "ninth\n" or (ninth.returncode == 125 and ninth.stderr)
    for client in held:
        client.stdin.close()
        assert client.wait(LIMIT) == 0
        client.stdout.close()
    assert run(guests, box, "echo", "again").stdout == "again\n"


def test_a_time_limit(guests, box):
    begin = time.monotonic()
    assert run(guests, box, "sleep", "1000", options=["--timeout", "1s"]).returncode == 124
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_reach_the_command(guests, box, number):
    name = number.name[3:]
    script = f"trap 'echo got {name}; exit 42' {name}; echo ready; while :; do sleep 0.05; done"
    client = guests.cli_popen("vm", "exec", box, "--", "sh", "-c", script, stdout=-1)
    assert client.stdout.readline() == b"ready\n"
    client.send_signal(number)
    assert client.stdout.readline() == f"got {name}\n".encode()
    assert client.wait(LIMIT) == 42
    client.stdout.close()


def test_a_killed_client_ends_its_command(guests, box):
    client = guests.cli_popen("vm", "exec", box, "--", "sh", "-c", "echo $$; exec sleep 1000", stdout=-1)
    pid = client.stdout.readline().decode().strip()
    client.kill()
    client.wait()
    client.stdout.close()
    script = f"for i in $(seq 100); do kill -0 {pid} 2>/dev/null || exit 0; sleep 0.1; done; exit 1"
    assert run(guests, box, "sh", "-c", script).returncode == 0


# --- a terminal

def test_a_terminal_has_its_size_and_follows_it(guests, box):
    with Terminal(guests, "vm", "exec", box, "--", "sh", rows=33, columns=111) as terminal:
        terminal.send("stty -echo; tty; stty size\n")
        terminal.expect("/dev/pts/")
        terminal.expect("33 111")
        terminal.send("trap 'stty size' WINCH; echo arm''ed\n")
        terminal.expect("armed")
        terminal.resize(44, 99)
        terminal.send("\n")
        terminal.expect("44 99")
        terminal.send("exit 5\n")
        assert terminal.end() == 5


def test_ctrl_c_interrupts_the_command_in_the_guest(guests, box):
    with Terminal(guests, "vm", "exec", box, "--", "sh", "-c", "trap 'echo inter''rupted; exit 9' INT; echo rea''dy; "
                  "while :; do sleep 0.05; done") as terminal:
        terminal.expect("ready")
        terminal.send("\x03")
        terminal.expect("interrupted")
        assert terminal.end() == 9


def test_ctrl_z_stops_a_job_of_the_guests_shell(guests, box):
    with Terminal(guests, "vm", "exec", box) as terminal:
        terminal.send("sh -c 'echo be''gun; exec sleep 1000'\n")
        terminal.expect("begun")
        terminal.send("\x1a")
        terminal.expect("Stopped")
        # Not `exit`: bash stays while it takes a job for stopped, and it hears of the kill in its own time.
        terminal.send("kill -KILL %1; exec sh -c 'exit 4'\n")
        assert terminal.end() == 4


def test_without_a_terminal_there_is_none_in_the_guest(guests, box):
    assert run(guests, box, "tty").stdout == "not a tty\n"
    with Terminal(guests, "vm", "exec", "-T", box, "--", "tty") as terminal:
        terminal.expect("not a tty")


def test_a_shell_needs_a_terminal(guests, box):
    result = guests.cli("vm", "exec", box, check=False)
    assert result.returncode == 125 and "terminal" in result.stderr


def test_a_login_shell(guests, box):
    with Terminal(guests, "vm", "exec", box) as terminal:
        terminal.send("echo I am $(id -un) at $(hostname)\n")
        terminal.expect(f"I am root at {box}")
        terminal.send("exit 3\n")
        assert terminal.end() == 3


# --- streams that end, one way or the other

def test_a_command_that_has_enough_ends_under_endless_input(guests, box):
    with open("/dev/zero", "rb") as endless:
        client = guests.cli_popen("vm", "exec", box, "--", "head", "-c", "1", stdin=endless, stdout=-1)
        assert client.stdout.read() == b"\0"
        assert client.wait(LIMIT) == 0
        client.stdout.close()


def test_output_goes_on_after_the_end_of_input(guests, box):
    result = run(guests, box, "sh", "-c", "cat; echo; seq 20000", input="in")
    assert result.returncode == 0 and result.stdout.split() == ["in", *map(str, range(1, 20001))]


def test_a_killed_process_group_is_told(guests, box):
    assert run(guests, box, "sh", "-c", "echo up; kill -9 -$$").returncode == 137


def test_the_end_of_the_vm_is_told(guests):
    with guests.vm("doomed") as name:
        client = guests.cli_popen("vm", "exec", name, "--", "sh", "-c", "echo up; exec sleep 1000", stdin=-1, stdout=-1, stderr=-1)
        assert client.stdout.readline() == b"up\n"
        guests.cli("vm", "kill", name)
        assert client.wait(LIMIT) == 125
        assert b"went away" in client.stderr.read()
        for pipe in (client.stdin, client.stdout, client.stderr):
            pipe.close()


def test_a_slow_reader_gets_all(guests, box):
    client = guests.cli_popen("vm", "exec", box, "--", "seq", "300000", stdout=-1)
    text = bytearray()
    while piece := os.read(client.stdout.fileno(), 1000):
        text += piece
    assert client.wait(LIMIT) == 0
    client.stdout.close()
    assert text.split() == [str(number).encode() for number in range(1, 300001)]
