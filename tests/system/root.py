"""The test machine's root filesystem, kernel and initramfs, made by mmdebstrap from Debian's packages (a minute or two, once)."""
import ctypes
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess

import guests

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
ACCOUNTS = {"alice": 1001, "bob": 1002, "stranger": 1003}
SIZE = "6G"  # sparse
# What the machine's own initramfs loads, with what these need.
BOOT_MODULES = ("virtio_pci", "virtio_blk")
# Loaded before the booted state is saved: what banger, its tests and the harness use.
MODULES = ("virtio_console", "virtio_net", "virtio_rng", "kvm_amd", "tun", "vhost_net", "vhost_vsock", "bridge", "veth", "loop",
           "dm_mod", "dm_snapshot", "nf_tables", "nft_masq", "nft_chain_nat", "nft_ct", "overlay", "fuse")
# Nobody waits for these, and each costs seconds of an emulated processor.
MASKED = ("getty.target", "getty@tty1.service", "serial-getty@ttyS0.service", "console-getty.service", "apt-daily.timer",
          "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "man-db.timer", "systemd-tmpfiles-clean.timer", "systemd-timesyncd.service", "proc-sys-fs-binfmt_misc.automount",
          "systemd-binfmt.service", "ssh.service", "systemd-networkd-wait-online.service", "systemd-pstore.service",
          "ldconfig.service", "systemd-hwdb-update.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service", "modprobe@drm.service", "modprobe@efi_pstore.service",
          "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "dev-hugepages.mount", "dev-mqueue.mount")
# What udev would load for the emulated hardware, without use here.
UNUSED_MODULES = ("aesni_intel", "crc32_pclmul", "crc32c_intel", "crct10dif_pclmul", "ghash_clmulni_intel", "powernow_k8", "ccp",
                  "sha512_ssse3", "psmouse", "evdev", "button", "ahci", "iTCO_wdt", "lpc_ich", "i2c_i801", "pcspkr", "serio_raw",
                  "joydev", "efi_pstore", "drm")

FILES = {
    "etc/fstab": "",
    "etc/hostname": "machine\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 machine\n",
    "etc/machine-id": "6a1f3b0c5d7e49228f10c3b4d5e6f708\n",
    "etc/modules-load.d/tests.conf": "".join(f"{name}\n" for name in MODULES),
    "etc/modprobe.d/tests.conf": "".join(f"blacklist {name}\n" for name in UNUSED_MODULES),
    # An emulated processor beside a compiler can need longer than the bus's 25 s to start the helper.
    "etc/dbus-1/system-local.conf": '<busconfig><limit name="service_start_timeout">120000</limit></busconfig>\n',
    "etc/systemd/journald.conf.d/tests.conf": "[Journal]\nStorage=volatile\nRateLimitBurst=0\n",
    "etc/systemd/logind.conf.d/tests.conf": "[Login]\nRemoveIPC=no\n",
    "etc/systemd/network/eth0.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLLMNR=no\n",
    "etc/sysctl.d/tests.conf": "kernel.printk = 3 4 1 3\n",
    # A session of its own for each account, as a login gives: active, local, with a bus and a service manager.
    "etc/systemd/system/test-agent@.service": """[Unit]
After=systemd-user-sessions.service dbus.service systemd-logind.service
[Service]
User=%i
PAMName=login
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
ExecStart=/usr/bin/python3 -I /usr/local/lib/test-agent.py /dev/virtio-ports/%i
OOMScoreAdjust=-500
[Install]
WantedBy=multi-user.target
""",
    # root's has none: it has to be there until the very end, and everything may be torn down around it.
    "etc/systemd/system/test-agent@root.service.d/plain.conf": "[Service]\nPAMName=\nWorkingDirectory=/root\n",
    "etc/udev/rules.d/60-test-agent.rules":
        "".join(f'SUBSYSTEM=="virtio-ports", ATTR{{name}}=="{name}", OWNER="{name}", MODE="0600"\n' for name in ACCOUNTS),
}

INIT = """#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do /bin/busybox insmod "/modules/$module"; done
until [ -b /dev/vda ]; do :; done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /newroot
/bin/busybox umount /dev
exec /bin/busybox switch_root /newroot /sbin/init
"""


def die_with_parent():
    """For a child's preexec_fn: SIGKILL when the parent goes."""
    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def libraries(programs):
    """The packages of all shared libraries of these programs, as the system that built them has them."""
    paths = set()
    for program in programs:
        listed = subprocess.run(["ldd", program], text=True, capture_output=True, check=False).stdout
        assert "not found" not in listed, listed
        paths |= set(re.findall(r"=> (/\S+)", listed))
    # dpkg knows a library by the name that its package gave it: with /usr or, where the folders are merged, without.
    names = {name for path in paths for name in (path, "/usr" + path, path.removeprefix("/usr"))}
    owners = subprocess.run(["dpkg-query", "--search", *sorted(names)], text=True, capture_output=True, check=False).stdout
    return set(re.findall(r"^([a-z0-9.+-]+)(?::\w+)?: /", owners, re.M))


def package_list(build):
    """All packages of the machine, sorted."""
    wanted = set()
    for line in (HERE / "packages").read_text(encoding="utf-8").splitlines():
        wanted |= set(line.partition("#")[0].split())
    for line in (TOP / "tools" / "packages").read_text(encoding="utf-8").splitlines():
        if line.startswith("run "):
            wanted |= set(line.split()[1:])
    programs = [build / "bin" / name for name in ("banger", "banger-qemu")] + sorted(build.glob("lib/banger/*.so"))
    return sorted(wanted | libraries(programs))


def suite():
    """The machine has the release that the build was made on: its libraries are the same."""
    found = re.search(r"^VERSION_CODENAME=(\w+)$", pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.M)
    assert found, "/etc/os-release names no Debian release"
    return found[1]


def key(build):
    """The cache's key of a root for this build: what goes into it."""
    sources = [(HERE / name).read_text(encoding="utf-8") for name in ("root.py", "agent.py", "guests.py")]
    text = "\n".join([suite(), *package_list(build), *sources])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def make(folder, build):
    """Fills `folder` with root.img, vmlinuz and initrd."""
    tree = folder / "tree"
    scratch = folder / "tmp"
    scratch.mkdir()
    # All in a PID namespace that dies with this process, whatever a maintainer script starts.
    subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount", "mmdebstrap", "--mode=root", "--variant=minbase",
                    "--quiet", "--include=" + ",".join(package_list(build)), '--aptopt=Apt::Install-Recommends "false"',
                    "--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/doc/*",
                    "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
                    suite(), tree], check=True, preexec_fn=die_with_parent, stdin=subprocess.DEVNULL, timeout=1500,
                   env={**os.environ, "TMPDIR": str(scratch), "INITRD": "No", "LC_ALL": "C.UTF-8"})
    release = next((tree / "lib" / "modules").iterdir()).name
    furnish(tree)
    guests.make(tree, release, scratch)
    shutil.copy(tree / "boot" / f"vmlinuz-{release}", folder / "vmlinuz")
    (folder / "initrd").write_bytes(initramfs(tree, release))
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=1,root_owner=0:0", "-d", tree, folder / "root.img", SIZE],
                   check=True)
    shutil.rmtree(tree)
    shutil.rmtree(scratch)


def furnish(tree):
    """Makes a plain Debian a test machine."""
    for name, text in FILES.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
    resolv = tree / "etc" / "resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.symlink_to("/run/systemd/resolve/stub-resolv.conf")
    for account, uid in ACCOUNTS.items():
        subprocess.run(["useradd", "--root", tree, "--uid", str(uid), "--user-group", "--create-home", "--shell", "/bin/bash", account],
                       check=True)
    units = tree / "etc" / "systemd" / "system"
    for name in MASKED:
        (units / name).unlink(missing_ok=True)
        (units / name).symlink_to("/dev/null")
    subprocess.run(["systemctl", "--root", tree, "--quiet", "enable", "systemd-networkd", "systemd-resolved",
                    *(f"test-agent@{name}" for name in ("root", *ACCOUNTS))], check=True)
    subprocess.run(["systemctl", "--root", tree, "--quiet", "set-default", "multi-user.target"], check=True)
    agent = tree / "usr" / "local" / "lib" / "test-agent.py"
    agent.write_text((HERE / "agent.py").read_text(encoding="utf-8"), encoding="utf-8")
    shutil.rmtree(tree / "var" / "lib" / "apt" / "lists", ignore_errors=True)


def load_order(tree, release, wanted):
    """The modules' paths below lib/modules/RELEASE, what they need in front of them; those that are built in left out."""
    needs = {}
    for line in (tree / "lib" / "modules" / release / "modules.dep").read_text(encoding="utf-8").splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()[::-1]  # the first one is what needs the others
    by_name = {pathlib.Path(path).name.partition(".")[0].replace("-", "_"): path for path in needs}
    order = []
    for name in wanted:
        path = by_name.get(name)
        if path:
            order += [part for part in [*needs[path], path] if part not in order]
    return order


def initramfs(tree, release):
    """A cpio archive (cpio(5), "newc") with busybox and the modules of the root disk."""
    modules = load_order(tree, release, BOOT_MODULES)
    entries = [(name, 0o040755, b"", 0, 0) for name in ("bin", "dev", "modules", "newroot")]
    entries += [("dev/console", 0o020600, b"", 5, 1), ("init", 0o100755, INIT.encode(), 0, 0),
                ("bin/busybox", 0o100755, (tree / "bin" / "busybox").read_bytes(), 0, 0),
                ("order", 0o100644, "".join(pathlib.Path(path).name + "\n" for path in modules).encode(), 0, 0)]
    entries += [(f"modules/{pathlib.Path(path).name}", 0o100644, (tree / "lib" / "modules" / release / path).read_bytes(), 0, 0)
                for path in modules]
    archive = bytearray()
    for inode, (name, mode, data, major, minor) in enumerate([*entries, ("TRAILER!!!", 0, b"", 0, 0)], 1):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0)
        archive += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += bytes(-len(archive) % 4) + data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)
