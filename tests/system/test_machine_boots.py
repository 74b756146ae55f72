"""The machine has what banger needs of a system; were it not so, the other files would fail in strange ways."""
from vm import ECHO_PORT, OUTSIDE


def test_nothing_failed(machine):
    assert machine.run("systemctl is-system-running", check=False).stdout == "running\n"
    assert machine.failed_units() == []


def test_accounts_have_sessions_but_no_rights(machine):
    for user in ("alice", "bob", "stranger"):
        assert machine.run("id -un", user=user).stdout == user + "\n"
        session = machine.run("loginctl show-session $XDG_SESSION_ID -p Active -p Remote -p State", user=user).stdout.split()
        assert session == ["Remote=no", "Active=yes", "State=active"]
        machine.run("systemctl --user is-system-running && busctl --user status", user=user)
        assert machine.run("test -w /run/systemd/system || command -v sudo", user=user, check=False).status != 0


def test_commands_pass_streams_status_and_limits(machine):
    result = machine.run("tr a-z A-Z; echo problem >&2; exit 7", input="hello\n", user="alice", check=False)
    assert (result.status, result.stdout, result.stderr) == (7, "HELLO\n", "problem\n")
    running = machine.start("sleep 1000", user="bob")
    running.signal(15)
    assert running.wait().status == -15
    blob = bytes(range(256)) * 4096
    machine.put(blob, "/home/alice/blob", user="alice", mode="0600")
    assert machine.get("/home/alice/blob") == blob
    assert machine.run("stat -c '%U %a' /home/alice/blob").stdout == "alice 600\n"


def test_buses_and_polkit(machine):
    machine.run("busctl status org.freedesktop.login1")
    asked = machine.run("pkcheck --action-id org.freedesktop.policykit.exec --process $$", user="alice", check=False)
    assert asked.status == 2 and "requires authentication" in asked.stderr  # polkitd answers, and nobody can be asked


def test_cgroup_controllers(machine):
    there = machine.run("cat /sys/fs/cgroup/cgroup.controllers").stdout.split()
    assert {"cpu", "io", "memory", "pids"} <= set(there)
    machine.run("systemd-run --quiet --wait -p MemoryMax=64M -p DevicePolicy=closed sh -c '! cat /dev/vda'")


def test_device_mapper_snapshots_over_loop_devices(machine):
    machine.run("""
        set -e
        truncate -s 16M /tmp/origin; truncate -s 4M /tmp/cow
        origin=$(losetup -f --show -r /tmp/origin); cow=$(losetup -f --show /tmp/cow)
        dmsetup create trial --table "0 32768 snapshot $origin $cow N 8"
        echo data | dd of=/dev/mapper/trial bs=4k count=1 conv=sync,fsync status=none
        [ "$(head -c 4 /dev/mapper/trial)" = data ]
        dmsetup remove trial; losetup -d "$origin" "$cow"; rm /tmp/origin /tmp/cow
        [ -z "$(losetup -n)" ]""")


def test_network_kernel_features(machine):
    machine.run("""
        set -e
        ip link add br-trial type bridge; ip tuntap add trial mode tap; ip link set trial master br-trial
        bridge link set dev trial isolated on
        nft 'add table ip trial; add chain ip trial post { type nat hook postrouting priority srcnat; }
             add rule ip trial post ip saddr 172.30.0.0/24 masquerade'
        nft delete table ip trial; ip link del trial; ip link del br-trial
        [ -z "$(nft list ruleset)" ]""")


def test_a_service_outside_and_nothing_else(machine):
    assert machine.run(f"echo hello | nc -q 1 -w 20 {OUTSIDE} {ECHO_PORT}").stdout == "hello\n"
    assert machine.run("nc -w 3 10.0.2.2 22", check=False).status != 0


def test_resolved_answers(machine):
    machine.run("resolvectl status")
    assert "127.0.0.53" in machine.get("/etc/resolv.conf").decode()
    assert machine.run("resolvectl query localhost").stdout.count("127.0.0.1") == 1


def test_vsock_and_kvm(machine):
    machine.run("test -c /dev/vhost-vsock -a -c /dev/vhost-net -a -c /dev/net/tun -a -c /dev/kvm")
    machine.run("grep -qw svm /proc/cpuinfo")


def test_the_disk_survives_a_power_cut(machine):
    """An orderly reboot is among test_install.py's."""
    machine.run("echo kept > /root/note; sync")
    before = machine.run("cat /proc/sys/kernel/random/boot_id").stdout
    machine.cut_power()
    assert machine.get("/root/note") == b"kept\n"
    assert machine.run("cat /proc/sys/kernel/random/boot_id").stdout != before
