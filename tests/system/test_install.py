"""`banger system install` on a real system: from nothing to VMs without a prompt, through drift, upgrade and reboot, to nothing."""
import json
import re

import pytest
from banger_test import HELPER, HELPER_PATH, BusError
from machine import system

VM, BRIDGE, NETWORK, ADDRESS = "abcdef012345", "br-fc-test", "172.30.9.1/24", "172.30.9.2"
CAPABILITIES = 0x82430eb
# Of the host itself; users' homes are theirs.
FOLDERS = ("/boot", "/dev", "/etc", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var")


@pytest.fixture(scope="module")
def host():
    """The build is there, and nobody is registered."""
    with system(owners=()) as made:
        made.run("touch /root/begin")
        made.files_before, made.trace_before = files(made), made.trace()
        made.run("mkdir -p tree/etc && echo guest >tree/etc/hostname && mke2fs -q -t ext4 -d tree rootfs 64M && truncate -s 80M cow",
                 user="bob", cwd="/home/bob")
        yield made


def files(machine):
    """All that is named after banger, but udev's own memory: of each link that it made for a device, it keeps a folder with a lock
    in /run/udev/links until it tidies up in an idle hour (systemd before 257)."""
    named = machine.run(["find", *FOLDERS, "!", "-path", "/run/user/*", "!", "-path", "/run/udev/links/*",
                         "(", "-path", "*banger*", "-o", "-path", "*btap-*", ")"], check=False)
    return set(named.stdout.splitlines())


def install(machine, *owners):
    return machine.run(["banger", "system", "install", *(word for owner in owners for word in ("--owner", owner))], timeout=120)


def launch_null(machine, user="alice", vm=VM):
    """A VMM that boots nothing, with its tap and NAT."""
    machine.call("Network", "EnsureBridge", "(ssa{sv})", [BRIDGE, NETWORK, {}], user=user)
    machine.call("Network", "CreateTap", "(ssa{sv})", [vm, BRIDGE, {}], user=user)
    machine.call("Network", "SetNat", "(ssba{sv})", [vm, ADDRESS, True, {}], user=user)
    return machine.call("Machine", "Launch", "(sa{sv})", [vm, {"vmm": ["s", "null"]}], user=user)[1]


def make_disk(machine, user="bob", vm=VM):
    """A snapshot in device-mapper."""
    home = f"/home/{user}"
    return machine.call("Storage", "CreateSnapshot", "(shha{sv})", [vm, 0, 1, {}], user=user,
                        files=[(f"{home}/rootfs", "r"), (f"{home}/cow", "rw")])[0]


def cleanup(machine, user="alice", vm=VM):
    machine.call("Machine", "Cleanup", "(sa{sv})", [vm, {}], user=user)
    machine.call("Network", "DeleteBridge", "(sa{sv})", [BRIDGE, {}], user=user)


def verdicts(machine, user):
    result = machine.run(["banger", "doctor", "-o", "json"], user=user, check=False, timeout=120)
    return json.loads(result.stdout)["checks"]


def test_nobody_may_before(host):
    assert host.run("banger system status", check=False).status == 3
    refused = host.run(["banger", "system", "install", "--owner", "alice"], user="alice", check=False)
    assert refused.status == 7 and "root must call it" in refused.stderr
    with pytest.raises(BusError):
        host.call("Machine", "List", "(a{sv})", [{}], user="alice")
    told = [check for check in verdicts(host, "alice") if check["id"] == "install"]
    assert [check["verdict"] for check in told] == ["WARN"]


def test_install_then_owners_and_nobody_else(host):
    told = install(host, "alice", "bob")
    assert "installed for alice, bob" in told.stdout
    for owner in ("alice", "bob"):
        assert host.call("Machine", "List", "(a{sv})", [{}], user=owner) == [[]]
    with pytest.raises(BusError) as refused:
        host.call("Machine", "List", "(a{sv})", [{}], user="stranger")
    assert "AccessDenied" in refused.value.name
    assert host.run("banger system status").status == 0


def test_a_stranger_gets_no_vm(host):
    """His own daemon serves him, and the helper does not serve his daemon."""
    refused = host.run("banger vm create --name theirs --vmm null --start", user="stranger", check=False)
    assert refused.status == 7 and "registered owners only" in refused.stderr, refused
    assert not [line for line in host.trace()["links"] if line.startswith("btap-")]


def test_a_vm_runs_a_command_without_a_prompt(host):
    """There is no sudo, no terminal, and nobody who could be asked."""
    assert host.run("command -v sudo", user="alice", check=False).status != 0
    host.give_guests("alice")
    before = host.trace()
    assert host.vm_run("true").status == 0
    result = host.vm_run("sh", "-c", "cat /etc/os-release; id -u; exit 7")
    assert (result.status, result.stdout) == (7, "ID=guest\n0\n"), result
    assert json.loads(host.run("banger vm list --all -o json", user="alice").stdout) == []
    host.until("! ip -br link | grep -q btap-", "the tap is gone")
    after = host.trace()
    for kind in ("mappings", "loops", "mounts", "units", "jails"):  # the owner's bridge stays for the next one
        assert after[kind] == before[kind], kind


def test_a_second_install_changes_nothing(host):
    before = host.run("find /etc /usr/local /usr/share/polkit-1 -newer /root/begin -type f -printf '%p %i %T@\\n' | sort").stdout
    assert "Nothing to change" in install(host, "alice", "bob").stdout
    assert "Nothing to change" in install(host).stdout
    assert before == host.run("find /etc /usr/local /usr/share/polkit-1 -newer /root/begin -type f -printf '%p %i %T@\\n' | sort").stdout


def test_the_helper_is_confined(host):
    host.call("Machine", "List", "(a{sv})", [{}], user="alice")
    pid = host.run("systemctl show -P MainPID banger-helper").stdout.strip()
    status = host.run(["cat", f"/proc/{pid}/status"]).stdout
    assert int(re.search(r"CapBnd:\s*(\w+)", status)[1], 16) == CAPABILITIES
    assert int(re.search(r"CapEff:\s*(\w+)", status)[1], 16) == CAPABILITIES
    assert re.search(r"NoNewPrivs:\s*1", status) and re.search(r"Seccomp:\s*2", status)
    level = host.run("systemd-analyze security --no-pager banger-helper.service", timeout=120).stdout
    assert float(re.search(r"exposure level for \S+: ([0-9.]+)", level)[1]) <= 4.0
    denied = host.run(f"nsenter --target {pid} --mount sh -c 'touch /etc/x; touch /usr/x; ls /home; touch /run/banger/x && echo wrote'",
                      check=False)
    assert denied.stderr.count("Read-only file system") == 2 and denied.stdout == "wrote\n"
    host.run("rm /run/banger/x")


def test_doctor_finds_the_posture_as_promised(host):
    for user in ("root", "alice"):
        checks = verdicts(host, user)
        posture = [check for check in checks if check["id"].split(".")[0] in ("install", "units", "polkit", "helper")]
        assert posture and not [check for check in posture if check["verdict"] in ("FAIL", "WARN")], posture
    stranger = verdicts(host, "stranger")
    assert [check["verdict"] for check in stranger if check["id"] == "polkit.stranger"] == ["PASS"]
    assert [check["verdict"] for check in stranger if check["id"] == "install.caller"] == ["FAIL"]


def test_doctor_sees_drift(host):
    host.run("mkdir -p /etc/systemd/system/banger-helper.service.d && printf '[Service]\\nNoNewPrivileges=no\\nProtectHome=no\\n' "
             ">/etc/systemd/system/banger-helper.service.d/weak.conf && systemctl daemon-reload")
    host.run("chmod 0777 /run/banger; chmod 0666 /etc/polkit-1/rules.d/60-banger.rules")
    try:
        found = {(check["id"], check["verdict"]) for check in verdicts(host, "root")}
        assert {("units.helper.directive", "FAIL"), ("units.helper.drop-in", "INFO"), ("install.folder", "FAIL"),
                ("install.owner", "FAIL")} <= found
    finally:
        host.run("rm -r /etc/systemd/system/banger-helper.service.d && systemctl daemon-reload && chmod 0755 /run/banger")
    assert "replaced" in install(host).stdout


EXAMPLES = "/usr/share/doc/banger/polkit/examples"


@pytest.fixture
def example(host):
    """Puts one of the examples into force, and takes it out again; polkit notices both by itself, in its own time."""
    def put(name, shows):
        host.run(f"cp {EXAMPLES}/{name} /etc/polkit-1/rules.d/{name}")
        host.until(shows, f"{name} in force", user="bob")
        return name
    yield put
    host.run("rm -f /etc/polkit-1/rules.d/10-banger-*")
    host.until("pkcheck -a org.banger.helper.guest-files -p $$", "the rule gone", user="bob")


def may(host, user, action):
    """polkit's answer: 0 yes, 1 no, 2 with a password."""
    return host.run(f"exec pkcheck -a org.banger.helper.{action} -p $$", user=user, check=False).status


def read_file(host, user):
    """The hostname in the user's image, by the helper."""
    return bytes(host.call("Storage", "ReadImageFile", "(ssa{sv})", [VM, "/etc/hostname", {"image": ["h", 0]}], user=user,
                           files=[(f"/home/{user}/rootfs", "r")])[0])


def test_a_rule_takes_one_action_from_one_owner(host, example):
    host.run("cp --sparse=always /home/bob/rootfs . && chown alice: rootfs", cwd="/home/alice")
    assert read_file(host, "bob") == read_file(host, "alice") == b"guest\n"
    assert may(host, "bob", "guest-files") == 0 and may(host, "stranger", "machine") != 0
    example("10-banger-withdraw-action.rules", "! pkcheck -a org.banger.helper.guest-files -p $$")
    with pytest.raises(BusError) as refused:
        read_file(host, "bob")
    assert refused.value.name == "org.banger.Error.NotAuthorized"
    # His other actions stay, and the other owner's.
    assert [may(host, "bob", action) for action in ("network", "storage", "resolver", "machine")] == [0] * 4
    launch_null(host, "bob")
    make_disk(host, "bob")
    cleanup(host, "bob")
    assert read_file(host, "alice") == b"guest\n"


def test_a_rule_freezes_networks(host, example):
    call = f"busctl call {HELPER} {HELPER_PATH} {HELPER}.Network EnsureBridge 'ssa{{sv}}' {BRIDGE} {NETWORK} 0"
    example("10-banger-freeze-networks.rules", f"! {call}")
    host.call("Network", "DeleteBridge", "(sa{sv})", [BRIDGE, {}], user="bob")  # of a call that was quicker than polkit
    with pytest.raises(BusError) as refused:
        host.call("Network", "EnsureBridge", "(ssa{sv})", [BRIDGE, NETWORK, {}])
    assert "InteractiveAuthorizationRequired" in refused.value.name
    assert host.call("Machine", "List", "(a{sv})", [{}]) == [[]]


def test_upgrade_and_restart_keep_vms(host):
    pid = launch_null(host)
    old = host.run("systemctl show -P MainPID banger-helper").stdout
    host.run("printf 'x' >>/usr/lib/x86_64-linux-gnu/banger/libbanger-helper.so 2>/dev/null || "
             "printf 'x' >>/usr/lib/banger/libbanger-helper.so")
    try:
        told = install(host)
        assert "the helper was restarted" in told.stdout
        assert host.run("systemctl show -P MainPID banger-helper").stdout != old
        host.run("banger system restart --daemons")
        host.run(["test", "-d", f"/proc/{pid}"])
        assert host.call("Machine", "List", "(a{sv})", [{}]) == [[VM]]
    finally:
        cleanup(host)


def vm_state(host, name):
    vm = json.loads(host.run(["banger", "vm", "show", "-o", "json", name], user="alice").stdout)
    return vm["state"], vm["exit_reason"]


def test_reboot_leaves_nothing_half_done(host):
    launch_null(host, "bob")
    make_disk(host, "bob")
    host.run("banger vm create --name kept --vmm null --start && banger vm create --name idle --vmm null", user="alice")
    assert vm_state(host, "kept") == ("running", "")
    host.run("echo kept >/root/note")
    host.reboot()
    assert host.get("/root/note") == b"kept\n" and not host.failed_units()
    # On its way down systemd ends VMMs and daemons side by side: the daemon may see its VMM end.
    assert vm_state(host, "kept") in (("stopped", "host-reboot"), ("stopped", "crashed")) and vm_state(host, "idle") == ("created", "")
    for owner in ("alice", "bob"):
        assert host.call("Machine", "List", "(a{sv})", [{}], user=owner) == [[]]
    trace = host.trace()
    assert not [line for line in trace["links"] if line.startswith(("br-fc", "btap-"))] and "banger" not in trace["rules"]
    assert not trace["jails"] and not trace["ledger"] and not trace["mappings"] and not trace["units"] and not trace["loops"]


def test_uninstall_leaves_nothing(host):
    pid = launch_null(host, "bob")
    make_disk(host, "bob")
    refused = host.run("banger system uninstall --purge", check=False)
    assert refused.status == 6 and VM in refused.stderr and "--force" in refused.stderr
    told = host.run("banger system uninstall --purge --force", timeout=120)
    assert "not installed any more" in told.stdout
    assert host.run(["test", "-e", f"/proc/{pid}"], check=False).status != 0
    assert files(host) - host.files_before == set()
    left = host.run(["find", "/etc", "/run", "/var", "-xdev", "!", "-path", "/run/udev/links/*", "-newer", "/root/begin",
                     "-path", "*banger*"], check=False).stdout
    assert left == ""
    host.until("test -z \"$(losetup -nO NAME)\"", "no loop device is left")  # they go by themselves, when their last user is gone
    assert host.trace() == host.trace_before
    assert host.run("systemctl list-units --all --plain --no-legend 'banger*' | grep -v not-found", check=False).stdout == ""
    with pytest.raises(BusError):
        host.call("Machine", "List", "(a{sv})", [{}], user="alice")
    assert "was not installed" in host.run("banger system uninstall --purge").stdout
    assert not host.failed_units()
