"""What the virtual machines *inside* of the test machine boot: /opt/guest/kernel.deb and /opt/guest/rootfs.ext4 in it.

Both are made small, since an emulated processor unpacks them: the package holds the machine's own kernel and those modules that
`banger kernel import` takes, uncompressed; the image holds busybox.
"""
import os
import shutil
import subprocess

# Names of banger's own choice of modules (src/daemon/kernel/modules.cpp), and what they need; more does no harm.
MODULE_FOLDERS = ("drivers/virtio", "drivers/block", "drivers/net", "drivers/char", "net/core", "net/vmw_vsock", "fs", "lib", "crypto")
APPLETS = ("sh", "true", "false", "cat", "echo", "uname", "hostname", "ip", "ping", "nc", "nslookup", "id", "ls", "mount", "ps",
           "sleep", "sync", "touch", "wget", "dd", "df", "test", "poweroff", "reboot")


def make(tree, release, scratch):
    """Puts both into the tree."""
    folder = tree / "opt" / "guest"
    folder.mkdir(parents=True)
    kernel_package(tree, release, scratch / "kernel", folder / "kernel.deb")
    image(tree, scratch / "image", folder / "rootfs.ext4")


def kernel_package(tree, release, work, path):
    (work / "DEBIAN").mkdir(parents=True)
    (work / "DEBIAN" / "control").write_text(f"Package: linux-image-{release}\nVersion: 1\nArchitecture: amd64\n"
                                             "Maintainer: banger's tests <root@localhost>\nDescription: a kernel for guests\n",
                                             encoding="ascii")
    (work / "boot").mkdir()
    shutil.copy(tree / "boot" / f"vmlinuz-{release}", work / "boot")
    modules, wanted = tree / "lib" / "modules" / release, work / "lib" / "modules" / release
    for name in MODULE_FOLDERS:
        if (modules / "kernel" / name).is_dir():
            shutil.copytree(modules / "kernel" / name, wanted / "kernel" / name,
                            ignore=shutil.ignore_patterns("ethernet", "wireless", "nfs*", "xfs", "btrfs", "ceph", "smb", "cifs"))
    for name in ("modules.builtin", "modules.order"):
        shutil.copy(modules / name, wanted)
    subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", work, path], check=True, stdout=subprocess.DEVNULL)


def image(tree, work, path):
    for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "var"):
        (work / name).mkdir(parents=True)
    (work / "tmp").chmod(0o1777)
    (work / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="ascii")
    (work / "etc" / "group").write_text("root:x:0:\n", encoding="ascii")
    (work / "etc" / "os-release").write_text("ID=guest\n", encoding="ascii")
    shutil.copy(tree / "bin" / "busybox", work / "bin")
    for name in APPLETS:
        (work / "bin" / name).symlink_to("busybox")
    for name in ("sbin", "usr"):
        (work / name).symlink_to("bin" if name == "sbin" else ".")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", work, path, "64M"], check=True)
    os.chmod(path, 0o644)
