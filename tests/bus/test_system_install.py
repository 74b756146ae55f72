"""`banger system` below a folder, as when an image is made; what its files are worth to systemd, D-Bus and polkit; `banger doctor`
and the helper's own removal in a private instance. The real thing is in tests/system."""
import json
import pathlib
import re
import shutil
import subprocess

import pytest
from banger_test import BANGER, run, until, program_for_all
from helper_parts import World

OWNERS = {"alice": 1000, "bob": 1001}
CAPABILITIES = ("cap_chown cap_dac_override cap_fowner cap_kill cap_mknod cap_net_admin cap_net_raw cap_setgid cap_setuid "
                "cap_sys_admin cap_sys_chroot")


@pytest.fixture
def tree(tmp_path):
    """A system with two accounts and the programs, as `cmake --install` lays them down."""
    tmp_path.chmod(0o755)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n" + "".join(
        f"{name}:x:{uid}:{uid}::/home/{name}:/bin/sh\n" for name, uid in OWNERS.items()))
    for name in ("bin/banger", "libexec/banger/banger-agent", "libexec/banger/banger-jail", "libexec/banger/banger-qemu",
                 "lib/banger/libbanger-daemon.so", "lib/banger/libbanger-helper.so"):
        path = tmp_path / "usr" / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("program")
        path.chmod(0o755)
    return tmp_path


def system(tree, verb, *arguments, **more):
    return run([BANGER, "system", verb, "--root", tree, *arguments], **more)


def content(tree):
    """Every file below the folder, with what is in it."""
    return {str(path.relative_to(tree)): path.read_bytes() for path in sorted(tree.rglob("*")) if path.is_file()}


def test_install_twice_and_uninstall(tree):
    before = content(tree)
    assert system(tree, "status", check=False).returncode == 3
    told = system(tree, "install", "--owner", "alice", "--owner", "bob", "--dry-run").stdout
    assert "written" in told and content(tree) == before and not (tree / "etc/banger").exists()
    system(tree, "install", "--owner", "alice", "--owner", "bob")
    made = content(tree)
    times = {path: (tree / path).stat().st_mtime_ns for path in made}
    assert "Nothing to change" in system(tree, "install").stdout
    assert content(tree) == made and times == {path: (tree / path).stat().st_mtime_ns for path in made}
    status = json.loads(system(tree, "status", "-o", "json").stdout)
    assert status["state"] == "installed" and [owner["name"] for owner in status["owners"]] == ["alice", "bob"]
    for path in set(made) - set(before):
        assert (tree / path).stat().st_mode & 0o7777 == 0o644 and (tree / path).stat().st_uid == 0, path
    system(tree, "uninstall", "--purge")
    assert content(tree) == before and not (tree / "etc/banger").exists()
    assert "was not installed" in system(tree, "uninstall").stdout


def test_what_an_administrator_changed_is_kept(tree):
    system(tree, "install", "--owner", "alice")
    rules = tree / "etc/polkit-1/rules.d/60-banger.rules"
    rules.write_text("// mine\n")
    kept = system(tree, "install", "--owner", "bob")
    assert "60-banger.rules was changed by hand" in kept.stderr and rules.read_text() == "// mine\n"
    assert system(tree, "status", check=False).returncode == 1
    uninstalled = json.loads(system(tree, "uninstall", "-o", "json").stdout)
    assert uninstalled["kept"] == ["/etc/polkit-1/rules.d/60-banger.rules"] and rules.exists()


def test_refusals(tree):
    for arguments, status, words in ((["install"], 2, "--owner USER"),
                                     (["install", "--owner", "carol"], 3, "no account"),
                                     (["install", "--owner", "root"], 2, "root cannot be an owner"),
                                     (["install", "--owner", "alice", "--jailer", "/usr/bin/jailer"], 6, "No such file"),
                                     (["instal"], 2, "install")):
        refused = system(tree, *arguments, check=False)
        assert refused.returncode == status and words in refused.stderr, refused
    (tree / "usr/local/bin").chmod(0o777)
    refused = system(tree, "install", "--owner", "alice", check=False)
    assert refused.returncode == 6 and "/usr/local/bin can be written by others" in refused.stderr
    assert not (tree / "etc/banger").exists()


def test_only_root(tree):
    with program_for_all() as program:
        for verb in ("install", "restart", "uninstall"):
            refused = run(["setpriv", "--reuid", "65534", "--clear-groups", program, "system", verb], check=False)
            assert refused.returncode == 7 and "root must call it" in refused.stderr and f"banger system {verb}" in refused.stderr


# --- what the files are worth


@pytest.fixture
def units(tree, tmp_path_factory):
    """The rendered units, in a folder of their own, with a program that is there."""
    system(tree, "install", "--owner", "alice")
    folder = tmp_path_factory.mktemp("units")
    for path in [*tree.glob("etc/systemd/*/banger*")]:
        text = path.read_text()
        assert "@" not in re.sub(r"[@~]?@[a-z-]+|modprobe@\w+\.service", "", text), "something was not filled in"
        (folder / path.name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
    (folder / "run").mkdir(mode=0o700)
    return folder


def analyze(units, *arguments):
    return subprocess.run(["systemd-analyze", *arguments], text=True, capture_output=True, check=False,
                          env={"XDG_RUNTIME_DIR": str(units / "run"), "PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("name,scope", [("banger-helper.service", "--system"), ("banger-daemon.service", "--user"),
                                        ("banger.slice", "--system")])
def test_systemd_finds_nothing_to_complain_of(units, name, scope):
    result = analyze(units, "verify", scope, "--man=no", units / name)
    ours = [line for line in result.stderr.splitlines() if "banger" in line]
    assert result.returncode == 0 and not ours, result.stderr


@pytest.mark.parametrize("name,scope,most", [("banger-helper.service", "--system", 4.0), ("banger-daemon.service", "--user", 2.5)])
def test_exposure(units, name, scope, most):
    result = analyze(units, "security", scope, "--offline=yes", "--no-pager", units / name)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", result.stdout)
    assert level and float(level[1]) <= most, result.stdout + result.stderr


def test_the_helper_has_eleven_capabilities(units):
    text = (units / "banger-helper.service").read_text()
    named = re.search(r"^CapabilityBoundingSet=(.*)$", text, re.M)[1]
    assert named.lower() == CAPABILITIES
    for directive in ("NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "RestrictSUIDSGID=yes", "LockPersonality=yes"):
        assert directive in text.splitlines()


@pytest.mark.skipif(not shutil.which("xmllint"), reason="xmllint is not installed (package libxml2-utils)")
def test_xml_files_are_valid(tree):
    system(tree, "install", "--owner", "alice", "--owner", "bob")
    dtd = pathlib.Path("/usr/share/polkit-1/policyconfig-1.dtd")
    policy = tree / "usr/share/polkit-1/actions/org.banger.helper.policy"
    if dtd.exists():
        run(["xmllint", "--nonet", "--noout", "--dtdvalid", dtd, policy])
    for path in (policy, tree / "etc/dbus-1/system.d/org.banger.Helper1.conf"):
        run(["xmllint", "--nonet", "--noout", path])


# --- in a private instance


def test_doctor_promises_nothing_in_a_private_instance(instance):
    for user in ("owner", "root"):
        result = instance.exec("banger", "doctor", "-o", "json", user=user, check=False)
        checks = json.loads(result.stdout)["checks"]
        ours = [check for check in checks if check["id"].split(".")[0] in ("install", "units", "polkit", "helper")]
        assert [check["verdict"] for check in ours] == ["WARN"] and "do not hold here" in ours[0]["finding"]
        failed = [check for check in checks if check["verdict"] == "FAIL"]
        assert result.returncode == (1 if failed else 0)


def test_doctor_mends_a_folder_that_is_open_to_others(instance):
    folder = "/home/banger-owner/.local/state/banger"
    instance.exec("sh", "-c", f"mkdir -p {folder} && chmod 755 {folder}")
    assert "open to others" in instance.exec("banger", "doctor", check=False).stdout
    instance.exec("banger", "doctor", "--fix", check=False)
    assert instance.exec("stat", "-c", "%a", folder).stdout == "700\n"


def test_remove_all_takes_everything_away(instance):
    before = instance.resources()
    vm, options = "abcdef012345", {}
    instance.helper("Network", "EnsureBridge", "(ssa{sv})", ["br-fc-test", "172.30.9.1/24", options])
    instance.helper("Network", "CreateTap", "(ssa{sv})", [vm, "br-fc-test", options])
    instance.helper("Machine", "Launch", "(sa{sv})", [vm, {"vmm": ["s", "null"]}])

    def listed():
        return json.loads(instance.exec("banger", "helper", "--list", user="root").stdout)

    assert listed() == [{"uid": 64001, "vm": vm, "running": True}]
    World(instance).kill_helper()  # it holds the ledger as long as it runs
    instance.exec("banger", "helper", "--remove-all", user="root")
    assert listed() == []
    until(lambda: instance.resources()["links"] == before["links"], "the links gone")
    assert instance.resources() == {**before, "jails": instance.resources()["jails"]}
    assert instance.exec("ls", "-A", "/var/lib/banger/jails", user="root").stdout == ""
    refused = instance.exec("banger", "helper", "--list", user="owner", check=False)
    assert refused.returncode == 7
