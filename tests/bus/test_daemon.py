"""The owner daemon: VMs (of the kind null), jobs, errors, ties, through its bus API as foreign clients see it."""
import signal

import pytest
from banger_test import BANGER, BusError, kill_and_wait, run, until
from daemon_parts import PROPERTIES, STEPS, Client, error_of, variants
from daemon_place import client, place, shared  # noqa: F401 (fixtures)

VM_PATH = "/org/banger/Manager1/vm/"
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


# --- what foreign tools see


def test_introspection_and_properties(place):
    text = place.instance.exec("busctl", "--user", "introspect", "org.banger.Manager1", "/org/banger/Manager1").stdout
    for word in ("CreateVm", "ListVms", "OpenSession", "GetManagedObjects", "Accelerator", "const"):
        assert word in text
    text = place.instance.exec("gdbus", "introspect", "--session", "--dest", "org.banger.Manager1", "--object-path",
                               "/org/banger/Manager1", "--only-properties").stdout
    assert f"Installation = '{place.instance.name}'" in text and "Vmm = 'qemu'" in text
    level = ["org.banger.Manager1", "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel"]
    busctl = ["busctl", "--user"]
    assert place.instance.exec(*busctl, "get-property", *level).stdout == 's "info"\n'
    place.instance.exec(*busctl, "set-property", *level, "s", "debug")
    assert place.instance.exec(*busctl, "get-property", *level).stdout == 's "debug"\n'
    assert place.instance.exec(*busctl, "set-property", *level, "s", "loud", check=False).returncode != 0


def test_vms_are_objects_of_the_object_manager(place, client):
    made = client.made(name="box")
    managed = client.call("/org/banger/Manager1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
    assert managed[made["vm"]]["org.banger.Vm1"]["Name"] == "box"
    assert client.vms()["box"] == managed[made["vm"]]["org.banger.Vm1"]
    assert client.manager("GetVm", "(s)", "box") == client.manager("GetVm", "(s)", made["id"]) == [made["vm"]]
    client.done("DeleteVm", "box")
    managed = client.call("/org/banger/Manager1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]
    assert made["vm"] not in managed


# --- life


def test_life_of_a_vm(place, client):
    job = client.create(name="box", vcpus=3, **{"memory-mib": 256})
    made = client.wait(job)
    vm = client.vms()["box"]
    assert made == {"vm": VM_PATH + vm["Id"], "id": vm["Id"], "name": "box"}
    assert (vm["State"], vm["Vcpus"], vm["MemoryMiB"], vm["Pid"], vm["ExitReason"]) == ("created", 3, 256, 0, "")
    assert vm["CreatedAt"] > 0 and vm["StartedAt"] == 0

    job = client.act("StartVm", "box")
    client.wait(job)
    facts = client.job(job)
    assert facts["State"] == "succeeded" and facts["Operation"] == "vm-start" and not facts["ProgressValid"]
    assert [(name, state) for name, state, _ in facts["Steps"]] == [(name, "done") for name in STEPS]
    vm = client.vms()["box"]
    assert vm["State"] == "running" and vm["Pid"] > 0 and vm["StartedAt"] >= vm["CreatedAt"]
    assert len(place.vmms()) == 1 and len(place.jails()) == 1
    assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="hello\n").stdout == "hello\n"

    client.done("StopVm", "box")
    vm = client.vms()["box"]
    assert (vm["State"], vm["ExitReason"], vm["Pid"]) == ("stopped", "stopped", 0)
    client.done("StartVm", "box")
    client.done("KillVm", "box")
    assert client.vms()["box"]["ExitReason"] == "killed"
    client.done("DeleteVm", "box")
    assert client.vms() == {}


def test_what_is_done_already_succeeds(client):
    client.made(name="box", start=True)
    for member in ("StartVm", "StopVm", "StopVm", "KillVm"):
        client.done(member, "box")


def test_names_are_made_up_and_addresses_differ(client):
    for _ in range(3):
        client.made()
    vms = client.vms()
    assert len(vms) == 3 and len({vm["Address"] for vm in vms.values()}) == 3
    assert all("-" in name for name in vms)


def test_every_verb_is_on_the_vm_as_well(client):
    vm = client.made(name="box")["vm"]

    def act(member, options=None):
        return client.wait(client.call(vm, "org.banger.Vm1", member, "(a{sv})", variants(options or {}))[0])

    act("Start")
    client.call(vm, "org.banger.Vm1", "OpenSession", "(a{sv})", {})
    act("Stop", {"timeout-ms": 5000})
    act("Start")
    act("Kill")
    act("Delete")
    with pytest.raises(BusError):
        act("Start")


def test_ephemeral_vms_go_when_they_stop(place, client):
    client.made(name="box", start=True, ephemeral=True)
    client.done("StopVm", "box")
    assert client.vms() == {}
    client.made(name="box", start=True, ephemeral=True)
    kill_and_wait(place.vmms()[0])
    until(lambda: not client.vms(), "it is gone")


def test_an_image_used_by_a_vm_is_not_deleted(client):
    assert "bookworm" in client.fails("NotFound", lambda: client.manager("DeleteImage", "(sa{sv})", "bookworm", {}))
    client.fails("InvalidArgument", lambda: client.manager("DeleteKernel", "(sa{sv})", "../x", {}))
    assert client.manager("ListImages", "(a{sv})", {}) == [[]] and client.manager("ListKernels", "(a{sv})", {}) == [[]]


# --- refusals


@pytest.mark.parametrize("options, error, words", [
    ({"name": "Not_A_Label"}, "InvalidArgument", "hint: "),
    ({"name": "-x"}, "InvalidArgument", "VM name"),
    ({"image": "../../etc/passwd"}, "InvalidArgument", "image name"),
    ({"vmm": "auto"}, "NotFound", "banger image build"),
    ({"vmm": "firecracker"}, "NotFound", "banger image build"),
    ({"vmm": "qemu", "image": "nosuch"}, "NotFound", "nosuch"),
    ({"kernel": "nosuch"}, "NotFound", "banger kernel import"),
    ({"vmm": "xen"}, "InvalidArgument", "xen"),
    ({"vcpus": 33}, "InvalidArgument", "32"),
    ({"vcpus": ["s", "2"]}, "InvalidArgument", "vcpus"),
    ({"memory-mib": 4000000000}, "FailedPrecondition", "4000000000 MiB"),
    ({"memory-mib": 1}, "InvalidArgument", "memory-mib"),
    ({"disk-bytes": ["t", 1]}, "InvalidArgument", "disk-bytes"),
    ({"null-mode": "sleepy"}, "InvalidArgument", "never-ready"),
    ({"colour": "red"}, "InvalidArgument", "colour"),
    ({"op-id": "short"}, "InvalidArgument", "operation id"),
])
def test_create_refuses(client, options, error, words):
    assert words in client.fails(error, lambda: client.create(**options))
    assert client.vms() == {}


def test_refusals_carry_the_operation_id(client):
    op_id = "0123456789abcdef" * 2
    text = client.fails("NotFound", lambda: client.act("StartVm", "nosuch", **{"op-id": op_id}))
    assert text.endswith(f"operation: {op_id}") and "hint: " in text


def test_a_name_is_taken_once(client):
    client.made(name="box")
    assert "banger vm delete box" in client.fails("AlreadyExists", lambda: client.create(name="box"))


def test_a_running_vm_is_not_deleted_without_force(client):
    client.made(name="box", start=True)
    client.fails("FailedPrecondition", lambda: client.act("DeleteVm", "box"))
    assert client.vms()["box"]["State"] == "running"
    client.done("DeleteVm", "box", force=True)


def test_no_session_without_a_running_vm(client):
    client.made(name="box")
    text = client.fails("FailedPrecondition", lambda: client.manager("OpenSession", "(sa{sv})", "box", {}))
    assert "banger vm start box" in text
    client.fails("NotFound", lambda: client.manager("OpenSession", "(sa{sv})", "nosuch", {}))


# --- starts that fail or are taken back


def test_never_ready(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready", "ready-timeout-ms": 200})
    text = client.fails("Timeout", lambda: client.wait(job))
    assert "step: ready" in text and "200 ms" in text and "hint: " in text and "operation: " in text
    facts = client.job(job)
    assert facts["State"] == "failed" and facts["Error"][0] == error_of("Timeout")
    assert [row[:2] for row in facts["Steps"]][-1] == ["ready", "failed"]
    vm = client.vms()["box"]
    assert (vm["State"], vm["ExitReason"]) == ("failed", "start-failed")
    assert place.vmms() == []
    client.done("DeleteVm", "box")


def test_dies_at_start(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "die-at-start"})
    with pytest.raises(BusError) as failure:
        client.wait(job)
    assert "step: boot" in failure.value.message or "step: ready" in failure.value.message
    assert client.vms()["box"]["State"] == "failed" and place.vmms() == []


def test_a_failed_ephemeral_vm_is_gone(place, client):
    job = client.create(name="box", start=True, ephemeral=True, **{"null-mode": "never-ready", "ready-timeout-ms": 50})
    client.fails("Timeout", lambda: client.wait(job))
    assert "box" not in client.vms()


def test_stop_wins_over_a_start(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready"})
    client.until_step(job, "ready")
    client.done("StopVm", "box")
    client.fails("Cancelled", lambda: client.wait(job))
    assert client.job(job)["State"] == "cancelled"
    assert client.vms()["box"]["State"] == "stopped" and place.vmms() == []


def test_delete_wins_over_a_start(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready"})
    client.until_step(job, "ready")
    client.done("DeleteVm", "box", force=True)
    client.fails("Cancelled", lambda: client.wait(job))
    assert client.vms() == {} and place.vmms() == []


def test_cancel_takes_a_start_back(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready"})
    client.until_step(job, "ready")
    client.call(job, "org.banger.Job1", "Cancel", "(a{sv})", {})
    client.fails("Cancelled", lambda: client.wait(job))
    assert client.vms()["box"]["State"] == "stopped" and place.vmms() == []
    client.call(job, "org.banger.Job1", "Cancel", "(a{sv})", {})  # over already


def test_stops_cannot_be_cancelled(client):
    client.made(name="box", start=True)
    job = client.act("StopVm", "box")
    assert client.job(job)["Cancelable"] is False
    client.wait(job)


def test_a_name_is_free_as_soon_as_its_vm_is_being_deleted(client):
    for _ in range(3):
        client.made(name="box", start=True)
        first = client.act("DeleteVm", "box", force=True)
        second = client.create(name="box", start=True)
        client.wait(first)
        client.wait(second)
        client.done("DeleteVm", "box", force=True)


# --- several at once


def test_callers_on_one_vm_take_turns(place, client):
    client.made(name="box")
    others = [Client(place.instance) for _ in range(3)]
    members = ["StartVm", "StopVm", "StartVm", "KillVm", "StartVm", "StopVm"]
    jobs = [others[i % 3].act(member, "box") for i, member in enumerate(members)]
    ends = []
    for i, job in enumerate(jobs):
        try:
            others[i % 3].wait(job)
            ends.append("done")
        except BusError as error:
            ends.append(error.name)
    assert set(ends) <= {"done", error_of("Cancelled")} and ends[-1] == "done"
    assert client.vms()["box"]["State"] == "stopped"
    for other in others:
        other.leave()


def test_vms_start_side_by_side(place, client):
    jobs = [client.create(name=f"box{i}", start=True) for i in range(6)]
    for job in jobs:
        client.wait(job)
    assert len(place.vmms()) == 6
    assert all(vm["State"] == "running" for vm in client.vms().values())
    jobs = [client.act("DeleteVm", f"box{i}", force=True) for i in range(6)]
    for job in jobs:
        client.wait(job)


def test_many_clients_wait_for_one_job(place, client):
    job = client.create(name="box", start=True, **{"null-mode": "never-ready", "ready-timeout-ms": 700})
    others = [Client(place.instance) for _ in range(3)]
    for other in others:
        other.send(**other.request(job, "org.banger.Job1", "Wait", "(a{sv})", {}))
    for other in others:
        assert "step: ready" in other.fails("Timeout", other.receive)
        other.leave()


# --- ties


@pytest.mark.parametrize("how", ["leaves", "is killed"])
def test_a_tied_vm_goes_with_its_client(place, client, how):
    owner = Client(place.instance)
    owner.made(name="box", start=True, tied=True, ephemeral=True)
    owner.made(name="kept", start=True, tied=True)
    owner.made(name="free", start=True)
    if how == "leaves":
        owner.leave()
    else:
        owner.process.send_signal(signal.SIGKILL)
        owner.process.wait()
        for pid in place.pids("/usr/bin/python3", "-I", "-c"):
            if pid != client_pid(place, client):
                kill_and_wait(pid)
    until(lambda: "box" not in client.vms(), "the ephemeral one is gone")
    client.until_state("kept", "stopped")
    assert client.vms()["free"]["State"] == "running"


def client_pid(place, client):
    """The host's pid of a client's python: the one that stays when its bus name is asked for."""
    name = client.ask(do="name")
    inside = client.ask(**client.request(BUS[1], BUS[2], "GetConnectionUnixProcessID", "(s)", name, destination=BUS[0]))[0]
    for pid in place.pids("/usr/bin/python3", "-I", "-c"):
        line = [row for row in open(f"/proc/{pid}/status") if row.startswith("NSpid:")][0]
        if int(line.split()[-1]) == inside:
            return pid
    raise AssertionError("the client has no process")


def test_a_tied_vm_goes_while_it_starts(place, client):
    owner = Client(place.instance)
    job = owner.create(name="box", start=True, tied=True, ephemeral=True, **{"null-mode": "never-ready"})
    client.until_step(job, "ready")
    owner.leave()
    until(lambda: not client.vms(), "it is gone")
    assert place.vmms() == []


# --- ends that nobody asked for


def test_a_vmm_that_dies(place, client):
    client.made(name="box", start=True)
    kill_and_wait(place.vmms()[0])
    vm = client.until_state("box", "stopped")
    assert (vm["ExitReason"], vm["Pid"]) == ("crashed", 0)
    client.done("StartVm", "box")


def test_the_daemon_ends_and_comes_back(place, client):
    client.made(name="box", start=True)
    client.made(name="gone", start=True, ephemeral=True)
    client.made(name="idle")
    before = client.vms()["box"]
    kill_and_wait(place.daemon()[0], signal.SIGTERM)
    assert len(place.vmms()) == 1
    after = client.vms()
    assert set(after) == {"box", "idle"}
    client.until_state("box", "running")
    assert place.instance.exec("banger", "vm", "exec", "box", "--", "cat", input="still\n").stdout == "still\n"
    after = client.vms()["box"]
    assert after.pop("LastActive") > before.pop("LastActive")  # the session
    assert after == before
    client.done("StopVm", "box")


def test_as_root_the_daemon_refuses():
    result = run([BANGER, "daemon"], check=False)
    assert result.returncode != 0 and "root" in result.stderr and "Traceback" not in result.stderr

