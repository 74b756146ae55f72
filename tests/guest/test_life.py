"""A VM's life: create, start, stop, start again, delete; who wins; what happens when the guest ends by itself."""
import concurrent.futures
import os
import signal
import time

import pytest
from gi.repository import GLib

import banger_test
from guest import until


def sh(guests, name, script, **more):
    return guests.cli("vm", "exec", name, "--", "sh", "-c", script, check=False, **more)


def test_create_start_exec_stop_start_delete(clean):
    clean.cli("vm", "create", "--name", "life", "--vcpu", "1", "--memory", "256M")
    assert clean.state_of("life") == "created"
    assert sh(clean, "life", "true").returncode == 125
    clean.cli("vm", "start", "life")
    clean.cli("vm", "start", "life")  # running already: fine
    assert clean.state_of("life") == "running"
    assert sh(clean, "life", "nproc; echo kept > /root/note; echo kept > /etc/note; sync").stdout == "1\n"
    assert int(sh(clean, "life", "awk '/MemTotal/ { print $2 }' /proc/meminfo").stdout) < 256 * 1024
    clean.cli("vm", "stop", "life")
    clean.cli("vm", "stop", "life")  # stopped already: fine
    vm = clean.vms()["life"]
    assert (vm["state"], vm["exit_reason"], vm["pid"]) == ("stopped", "stopped", 0)
    assert clean.find("vmm") == []
    clean.cli("vm", "start", "life")
    assert sh(clean, "life", "cat /root/note /etc/note").stdout == "kept\nkept\n"
    refused = clean.cli("vm", "delete", "life", check=False)
    assert refused.returncode != 0 and clean.state_of("life") == "running"
    clean.cli("vm", "delete", "--force", "life")
    assert clean.vms() == {}
    clean.expect_no_traces()


def test_a_graceful_stop_keeps_what_was_written(clean):
    with clean.vm("graceful"):
        sh(clean, "graceful", "seq 100000 > /root/numbers")  # no sync: the shutdown does it
        begin = time.monotonic()
        clean.cli("vm", "stop", "graceful")
        assert time.monotonic() - begin < 20, "it was killed in the end"
        assert clean.vms()["graceful"]["exit_reason"] == "stopped"
        clean.cli("vm", "start", "graceful")
        assert sh(clean, "graceful", "tail -n 1 /root/numbers; wc -l < /root/numbers").stdout == "100000\n100000\n"


def test_kill(clean):
    with clean.vm("killed"):
        clean.cli("vm", "kill", "killed")
        assert (clean.state_of("killed"), clean.vms()["killed"]["exit_reason"]) == ("stopped", "killed")
        clean.cli("vm", "start", "killed")
        assert sh(clean, "killed", "echo well").stdout == "well\n"


def test_a_hung_guest_is_stopped_all_the_same(clean):
    with clean.vm("hung"):
        # SIGSTOP to the VMM: nothing in the guest answers any more, not even to ctrl-alt-del.
        os.kill(clean.find("vmm")[0], signal.SIGSTOP)
        clean.cli("vm", "stop", "--timeout", "1s", "hung")
        assert clean.state_of("hung") == "stopped"


def test_the_guest_powers_itself_off(clean):
    with clean.vm("poweroff"):
        sh(clean, "poweroff", "sync; echo o > /proc/sysrq-trigger; sleep 1000")
        until(lambda: clean.state_of("poweroff") == "stopped", "the VM is stopped")
        assert clean.vms()["poweroff"]["exit_reason"] == "poweroff"
        clean.cli("vm", "start", "poweroff")
        assert sh(clean, "poweroff", "echo well").stdout == "well\n"


def test_a_guest_that_reboots_is_started_again(clean):
    with clean.vm("reboots"):
        first = clean.vms()["reboots"]["pid"]
        sh(clean, "reboots", "echo kept > /root/file; kill -TERM 1; sleep 1000")  # as busybox's reboot does
        until(lambda: (vm := clean.vms()["reboots"])["state"] == "running" and vm["pid"] not in (0, first), "it runs again", 120)
        assert sh(clean, "reboots", "cat /root/file; cut -d. -f1 /proc/uptime").stdout.startswith("kept\n")


def test_a_guest_whose_init_powers_off_stays_off(clean):
    with clean.vm("off"):
        sh(clean, "off", "kill -USR2 1; sleep 1000")  # as busybox's poweroff does
        until(lambda: clean.state_of("off") == "stopped", "the VM is stopped", 120)
        assert clean.vms()["off"]["exit_reason"] == "poweroff"


def test_a_kernel_panic_ends_the_vm(clean):
    with clean.vm("panic"):
        result = sh(clean, "panic", "echo c > /proc/sysrq-trigger; sleep 1000")
        assert result.returncode == 125 and result.stderr
        until(lambda: clean.state_of("panic") in ("stopped", "failed"), "the VM has ended")
        assert clean.vms()["panic"]["exit_reason"] == "panic"
        clean.cli("vm", "start", "panic")
        assert sh(clean, "panic", "echo well").stdout == "well\n"


def test_two_vms_of_one_name(clean):
    clean.cli("vm", "create", "--name", "twin")
    result = clean.cli("vm", "create", "--name", "twin", check=False)
    assert result.returncode == 4 and "twin" in result.stderr
    # The same at the same moment: one of them wins.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: clean.cli("vm", "create", "--name", "race", check=False).returncode, range(2)))
    assert sorted(results) == [0, 4]


def test_a_stop_wins_over_a_start_under_way(clean):
    clean.cli("vm", "create", "--name", "winner")
    start = clean.cli_popen("vm", "start", "winner", stderr=-1)
    until(lambda: clean.state_of("winner") == "starting", "the start is under way")
    clean.cli("vm", "stop", "winner")
    assert start.wait(60) != 0
    start.stderr.close()
    assert clean.state_of("winner") in ("stopped", "created", "failed")
    assert clean.find("vmm") == []


def test_two_vms_see_the_host_but_not_each_other(clean):
    with clean.vm("left"), clean.vm("right"):
        vms = clean.vms()
        left, right = vms["left"]["address"], vms["right"]["address"]
        assert left != right
        gateway = sh(clean, "left", "ip route show default 2>/dev/null || awk '$2 == \"00000000\" { print $3 }' "
                     "/proc/net/route").stdout.split()
        gateway = gateway[2] if "via" in gateway else ".".join(str(int(gateway[0][i:i + 2], 16)) for i in (6, 4, 2, 0))

        def connect(source, target):
            """What comes of a TCP connection to a port where nobody listens: "refused" means that the host is reached."""
            return sh(clean, source, f"timeout 10 bash -c 'echo > /dev/tcp/{target}/9' 2>&1").stdout

        assert "refused" in connect("left", gateway) and "refused" in connect("right", gateway)
        assert "refused" in connect("left", left)
        assert "refused" not in connect("left", right) and "refused" not in connect("right", left)


@pytest.mark.parametrize("limit", ["1ms", "700ms"])
def test_a_guest_that_is_not_ready_in_time_leaves_nothing(clean, limit):
    result = clean.cli("vm", "run", "--rm", "--ready-timeout", limit, "--", "true", check=False)
    assert result.returncode == 125
    assert "not ready" in result.stderr and "operation: " in result.stderr
    clean.expect_no_traces()


def test_a_kernel_that_cannot_boot_shows_its_console(clean):
    store = "/home/banger-owner/.local/share/banger/kernels"
    name = clean.cli("kernel", "list", "-q").stdout.split()[0]
    # Without its modules this kernel finds no disk and no port; the agent says so on the console.
    clean.cli("kernel", "import", f"{store}/{name}/vmlinux", "--name", "bare")
    try:
        result = clean.cli("vm", "run", "--rm", "--kernel", "bare", "--ready-timeout", "20s", "--", "true", check=False)
        assert result.returncode == 125
        assert "details:" in result.stderr, result.stderr
        clean.expect_no_traces()
    finally:
        clean.cli("kernel", "delete", "bare")


def test_a_full_disk(clean):
    folder = "/home/banger-owner/.local/share/banger/vms"
    clean.exec("install", "-d", "-m", "0700", "-o", "64001", "-g", "64001", folder, user="root")
    clean.exec("mount", "-t", "tmpfs", "-o", "size=64k,uid=64001,gid=64001,mode=0700", "tmpfs", folder, user="root")
    try:
        result = clean.cli("vm", "run", "--rm", "--", "true", check=False)
        assert result.returncode == 125
        assert "space" in result.stderr or "full" in result.stderr
        assert clean.vms() == {}
        until(lambda: not clean.traces(), f"nothing left; there is {clean.traces()}", limit=30)
    finally:
        clean.exec("umount", folder, user="root")
    assert clean.cli("vm", "run", "--rm", "--", "echo", "well").stdout == "well\n"


def test_more_vms_than_one_at_a_time(clean):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(clean.cli, "vm", "run", "--rm", "--memory", "192M", "--", "echo", str(i)) for i in range(4)]
        assert [job.result().stdout for job in runs] == [f"{i}\n" for i in range(4)]
    clean.expect_no_traces()


def test_unknown_vms_are_errors_with_a_hint(clean):
    for verb in ("start", "stop", "kill", "delete", "show"):
        result = clean.cli("vm", verb, "nobody", check=False)
        assert result.returncode == 3 and "nobody" in result.stderr, verb
    with pytest.raises(banger_test.BusError) as caught:
        clean.ask(banger_test.MANAGER_PATH, banger_test.MANAGER, "GetVm", GLib.Variant("(s)", ("nobody",)))
    assert caught.value.name == "org.banger.Error.NotFound"
