"""kill -9 of daemon, helper and VMM: at each step of a start, and while a VM runs. Afterwards the next command works, states
are right, and nothing is left."""
import pytest
from gi.repository import GLib

import banger_test
from guest import until

STEPS = ("disk", "network", "launch", "configure", "boot", "ready")


def sh(guests, name, script, **more):
    return guests.cli("vm", "exec", name, "--", "sh", "-c", script, check=False, **more)


def wait_for_job(guests, job):
    """How the job ended; "lost" when its daemon did."""
    def ended():
        try:
            state = guests.job_property(job, "State")
        except banger_test.BusError as error:
            # A daemon that was started anew does not know the job.
            assert error.name.endswith(("UnknownObject", "UnknownMethod", "NotFound", "NoReply", "ServiceUnknown")), error
            return "lost"
        return state if state != "running" else ""
    return until(ended, "the job ends", limit=60)


@pytest.mark.parametrize("victim", ["daemon", "helper", "vmm"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_during_a_start(clean, victim, step):
    job = clean.create("victim", start=GLib.Variant("b", True), ephemeral=GLib.Variant("b", True))
    try:
        clean.wait_for_step(job, step)
    except banger_test.BusError as error:
        pytest.fail(f"the daemon went away by itself: {error}")
    killed = clean.kill(victim)
    outcome = wait_for_job(clean, job)
    assert outcome in ("succeeded", "failed", "lost")
    if victim == "daemon":
        assert killed == 1 and outcome == "lost"
    if victim == "vmm" and killed:
        assert outcome == "failed" or step == "ready"
    # Whatever became of it, the next commands work, and a deletion wins.
    if "victim" in clean.vms():
        clean.cli("vm", "delete", "--force", "victim", check=False)
    clean.expect_no_traces()


@pytest.mark.parametrize("victim", ["daemon", "helper"])
def test_killed_while_a_vm_runs_and_found_again(clean, victim):
    with clean.vm("survivor"):
        sh(clean, "survivor", "echo marker > /root/marker")
        vmm = clean.find("vmm")
        clean.kill(victim)
        assert clean.state_of("survivor") == "running"
        assert clean.find("vmm") == vmm
        assert sh(clean, "survivor", "cat /root/marker").stdout == "marker\n"
        clean.cli("vm", "stop", "survivor")
        assert clean.vms()["survivor"]["exit_reason"] == "stopped"


def test_daemon_and_helper_killed_together(clean):
    with clean.vm("survivor"):
        clean.kill("daemon")
        clean.kill("helper")
        assert clean.state_of("survivor") == "running"
        assert sh(clean, "survivor", "echo well").stdout == "well\n"


def test_a_session_outlives_the_daemon(clean):
    with clean.vm("survivor"):
        client = clean.cli_popen("vm", "exec", "survivor", "--", "sh", "-c", "echo up; cat", stdin=-1, stdout=-1)
        assert client.stdout.readline() == b"up\n"
        clean.kill("daemon")
        out, _ = client.communicate(b"through\n", timeout=60)
        assert (client.returncode, out) == (0, b"through\n")


def test_the_vmm_dies(clean):
    with clean.vm("dead"):
        assert clean.kill("vmm") == 1
        until(lambda: clean.state_of("dead") in ("stopped", "failed"), "its end is noticed")
        vm = clean.vms()["dead"]
        assert (vm["exit_reason"], vm["pid"]) == ("crashed", 0)
        clean.cli("vm", "start", "dead")
        assert sh(clean, "dead", "echo well").stdout == "well\n"


def test_the_vmm_dies_while_nobody_looks(clean):
    with clean.vm("dead"):
        clean.kill("daemon")
        clean.kill("vmm")
        # The new daemon answers at once, and asks the helper meanwhile.
        until(lambda: clean.state_of("dead") in ("stopped", "failed"), "its end is noticed")
        clean.cli("vm", "start", "dead")
        assert sh(clean, "dead", "echo well").stdout == "well\n"


def test_an_ephemeral_vm_goes_with_its_vmm(clean):
    clean.cli("vm", "run", "--detach", "--rm", "--name", "fleeting")
    clean.kill("vmm")
    until(lambda: clean.vms() == {}, "it is deleted")
    clean.expect_no_traces()
