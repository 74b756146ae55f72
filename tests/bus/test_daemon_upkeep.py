"""What the daemon does by itself or tells: statistics, console logs, pruning, idle VMs, boots of the host."""
import os
import signal
import subprocess

from banger_test import kill_and_wait, until
from daemon_parts import variants
from daemon_place import client, place, shared  # noqa: F401 (fixtures)


def folder(place, vm):
    return place.instance.home / ".local/share/banger/vms" / vm["id"]


# --- statistics


def test_statistics(place, client):
    made = client.made(name="box", **{"memory-mib": 256})
    at_rest = client.manager("VmStats", "(sa{sv})", "box", {})[0]
    assert set(at_rest) == {"state", "disk-bytes", "disk-allocated-bytes"} and at_rest["state"] == "created"
    client.done("StartVm", "box")
    (folder(place, made) / "work.ext4").write_bytes(b"x" * 40960)
    facts = client.call(made["vm"], "org.banger.Vm1", "Stats", "(a{sv})", {})[0]
    assert facts["state"] == "running" and facts["memory-limit-bytes"] == 256 << 20 and facts["processes"] >= 1
    assert facts["disk-allocated-bytes"] >= 40960 and facts["disk-bytes"] == 4 << 30
    assert 1 << 20 < facts["memory-bytes"] < 256 << 20 and facts["uptime-usec"] > 0
    # A packet for the guest that is not there: the tap counts it, or drops it; the counters are those of the link.
    links = place.instance.exec("cat", "/proc/net/dev", user="root").stdout
    tap = [line.split() for line in links.splitlines() if line.strip().startswith("btap-")]
    assert len(tap) == 1
    assert facts["tx-bytes"] <= int(tap[0][1]) and {"rx-bytes", "rx-packets", "tx-packets"} <= set(facts)
    client.fails("NotFound", lambda: client.manager("VmStats", "(sa{sv})", "other", {}))


def test_processor_time_is_counted(place, client):
    client.made(name="box", start=True)

    def cpu():
        return client.manager("VmStats", "(sa{sv})", "box", {})[0]["cpu-usec"]

    begin = cpu()
    data = "x" * (8 << 20)
    until(lambda: place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input=data) and cpu() > begin, "it has worked")


# --- the console


def console(place, name, previous=False):
    """What a client reads from the descriptor that it gets."""
    script = f"""
import os
from gi.repository import Gio, GLib
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
reply, files = bus.call_with_unix_fd_list_sync("org.banger.Manager1", "/org/banger/Manager1", "org.banger.Manager1", "VmConsoleLog",
    GLib.Variant("(sa{{sv}})", ("{name}", {{"previous": GLib.Variant("b", {previous})}})), None, 0, -1, None, None)
fd = files.get(reply.unpack()[0])
try:
    os.write(fd, b"x")
except OSError:
    print(os.pread(fd, 100, 0).decode())
"""
    result = place.instance.exec("/usr/bin/python3", "-I", "-c", script, check=False)
    return result.stdout.strip() if result.returncode == 0 else result.stderr


def test_the_console_of_this_run_and_of_the_one_before(place, client):
    made = client.made(name="box")
    assert "NotFound" in console(place, "box")
    client.done("StartVm", "box")
    with open(folder(place, made) / "console.log", "a", encoding="ascii") as log:
        log.write("first\n")
    assert console(place, "box") == "first"
    assert "NotFound" in console(place, "box", previous=True)
    client.done("RestartVm", "box")
    assert console(place, "box") == "" and console(place, "box", previous=True) == "first"


def test_a_console_is_bounded(place, client):
    made = client.made(name="box", start=True)
    log = folder(place, made) / "console.log"
    with open(log, "ab") as console_log:
        console_log.write(b"begin" + b"x" * (9 << 20) + b"end")
    until(lambda: log.stat().st_size == 0, "it is cut off")
    old = (folder(place, made) / "console.log.old").read_bytes()
    assert len(old) == 8 << 20 and old.endswith(b"xend")


def test_a_vmm_whose_guest_has_halted_is_ended(place, client):
    made = client.made(name="box", start=True)
    with open(folder(place, made) / "console.log", "a", encoding="ascii") as log:
        log.write("[    3.141] reboot: System halted\n")
    os.kill(place.vmms()[0], signal.SIGSTOP)  # so that its agent does not answer
    assert client.until_state("box", "stopped")["ExitReason"] == "poweroff"


# --- pruning


def test_prune(place, client):
    client.made(name="created")
    client.made(name="running", start=True)
    client.made(name="protected", start=True, protected=True)
    client.done("StopVm", "protected")
    stopped = client.made(name="stopped", start=True)
    client.done("StopVm", "stopped")
    (folder(place, stopped) / "work.ext4").write_bytes(b"x" * 40960)
    client.made(name="failed", **{"null-mode": "die-at-start"})
    client.fails("Unavailable", lambda: client.done("StartVm", "failed"))

    would = client.wait(client.manager("PruneVms", "(a{sv})", variants({"dry-run": True}))[0])
    assert sorted(would["vms"]) == ["failed", "stopped"] and would["freed-bytes"] >= 40960
    assert len(client.vms()) == 5
    job = client.manager("PruneVms", "(a{sv})", {})[0]
    assert client.wait(job) == would and client.job(job)["Operation"] == "vm-prune"
    assert set(client.vms()) == {"created", "running", "protected"}
    assert len(place.folders()) == 2  # created has none yet
    nothing = client.wait(client.manager("PruneVms", "(a{sv})", {})[0])
    assert nothing == {"vms": [], "freed-bytes": 0}
    client.done("SetVm", "protected", protected=False)


# --- idle VMs


def test_an_idle_vm_is_stopped(place, client):
    client.made(name="box", start=True, **{"auto-stop-after-s": 1})
    client.made(name="stays", start=True)
    vm = client.until_state("box", "stopped")
    assert vm["ExitReason"] == "stopped"
    assert client.vms()["stays"]["State"] == "running"


def test_a_session_keeps_a_vm(place, client):
    client.made(name="box", start=True)
    session = place.instance.popen("banger", "vm", "exec", "box", "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    session.stdin.write(b"x")
    session.stdin.flush()
    assert session.stdout.read(1) == b"x"
    begin = client.vms()["box"]["LastActive"]
    client.done("SetVm", "box", **{"auto-stop-after-s": 1})
    until(lambda: client.vms()["box"]["LastActive"] > begin, "the agent was asked, and told of the session")
    assert client.vms()["box"]["State"] == "running"
    session.stdin.close()
    session.stdout.close()
    session.wait(30)
    client.until_state("box", "stopped")


# --- boots of the host


def other_boot(place):
    """As if the database had been written before the host booted."""
    database = place.instance.home / ".local/state/banger/banger.db"
    subprocess.run(["sqlite3", database, "UPDATE setting SET value = 'another' WHERE key = 'boot-id'"], check=True)


def test_vms_after_a_boot_of_the_host(place, client):
    client.made(name="box", start=True)
    client.made(name="auto", start=True, autostart=True)
    client.made(name="rested", autostart=True)
    daemon, vmms = place.daemon()[0], place.vmms()
    kill_and_wait(daemon)
    for vmm in vmms:
        kill_and_wait(vmm)
    other_boot(place)
    client.vms()
    assert client.until_state("box", "stopped")["ExitReason"] == "host-reboot"
    until(lambda: len(place.vmms()) == 2, "two are started")  # before it is looked at, auto is still `running`
    client.until_state("auto", "running")
    client.until_state("rested", "running")


def test_a_full_disk_does_not_end_a_daemon_after_a_boot(place, client):
    # A trigger refuses what a full disk would.
    database = place.instance.home / ".local/state/banger/banger.db"
    client.made(name="auto", autostart=True)
    kill_and_wait(place.daemon()[0])
    other_boot(place)
    refuse = "CREATE TRIGGER full BEFORE UPDATE ON setting BEGIN SELECT RAISE(FAIL, 'the disk is full'); END"
    subprocess.run(["sqlite3", database, refuse], check=True)
    try:
        client.vms()
        client.until_state("auto", "running")
    finally:
        subprocess.run(["sqlite3", "-cmd", ".timeout 5000", database, "DROP TRIGGER full"], check=True)


def test_a_guest_that_rebooted_while_no_daemon_looked(place, client):
    made = client.made(name="box", start=True)
    vmm = place.vmms()[0]
    kill_and_wait(place.daemon()[0])
    with open(folder(place, made) / "console.log", "a", encoding="ascii") as log:
        log.write("[    3.141] reboot: Restarting system\n")
    kill_and_wait(vmm)
    client.vms()
    until(lambda: len(place.vmms()) == 1, "it is started again")
    client.until_state("box", "running")


def test_a_daemon_that_is_started_again_starts_nothing(place, client):
    client.made(name="auto", autostart=True)
    kill_and_wait(place.daemon()[0], signal.SIGTERM)
    assert client.vms()["auto"]["State"] == "created"
    assert place.vmms() == []
