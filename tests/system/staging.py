"""The build under test as the machine gets it, and the files that say who may use its helper."""
import io
import os
import pathlib
import subprocess
import tarfile
import tempfile

import root

FIRECRACKER = os.environ.get("BANGER_TEST_FIRECRACKER_DIR")  # a folder with `firecracker` and `jailer`


def build_archive(build):
    """`cmake --install` with prefix /usr and without debug information, and Firecracker, as a tar archive. Of the same files it
    is the same, byte for byte."""
    with tempfile.TemporaryDirectory(prefix="banger-stage-") as folder:
        subprocess.run(["cmake", "--install", build, "--prefix", "/usr", "--strip"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": folder})
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if not path.is_dir() or path.is_symlink():  # folders that are there are left alone, others made
                    tar.add(path, arcname=path.relative_to(folder), filter=of_root)
            for name in ("firecracker", "jailer") if FIRECRACKER else ():
                tar.add(pathlib.Path(FIRECRACKER) / name, arcname=f"usr/local/bin/{name}", filter=of_root)
        return archive.getvalue()


def of_root(member):
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 1_700_000_000
    return member


class Renderer:
    """Fills the templates of dbus/ and polkit/ for these owners."""

    def __init__(self, owners):
        self.owners = owners

    def bus_policy(self):
        text = (root.TOP / "dbus" / "org.banger.Helper1.conf.in").read_text(encoding="utf-8")
        head, _, rest = text.partition("  <!-- begin owner: repeated for each registered owner -->\n")
        block, _, tail = rest.partition("  <!-- end owner -->\n")
        return head + "".join(block.replace("@owner@", owner) for owner in self.owners) + tail

    def polkit_rules(self):
        text = (root.TOP / "polkit" / "60-banger.rules.in").read_text(encoding="utf-8")
        return text.replace("@owners@", ", ".join(f'"{owner}"' for owner in self.owners))

    def metadata(self):
        owners = "".join(f'[[owner]]\nname = "{name}"\nuid = {root.ACCOUNTS[name]}\ngid = {root.ACCOUNTS[name]}\n' for name in self.owners)
        return f'version = "0.1.0"\n[paths]\nbindir = "/usr/bin"\n{owners}'
