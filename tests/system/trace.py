"""Runs in the test machine, by the agent's interpreter: what banger's work could leave behind, as JSON on standard output."""
import glob
import json
import os
import subprocess
import sys


def lines(*command):
    return sorted(subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines())


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def mounts():
    """(where, what) of each."""
    pairs = [line.split()[1::-1] for line in read("/proc/self/mounts").splitlines()]
    return sorted(" ".join(pair) for pair in pairs if not pair[0].startswith("/run/user") and "/run/credentials" not in pair[0])


json.dump({
    "links": names("/sys/class/net"),
    "addresses": lines("ip", "-br", "-4", "addr"),
    "routes": lines("ip", "route"),
    "rules": subprocess.run(["nft", "list", "ruleset"], text=True, capture_output=True, check=True).stdout,
    "loops": sorted(f"{path} {read(path)}" for path in glob.glob("/sys/block/loop*/loop/backing_file")),
    "mappings": sorted(read(path) for path in glob.glob("/sys/block/dm-*/dm/name")),
    "mounts": mounts(),
    "units": [line.split()[0] for line in lines("systemctl", "list-units", "--all", "--plain", "--no-legend", "banger-vm*")],
    "jails": names("/var/lib/banger/jails"),
    "ledger": names("/run/banger/ledger"),
}, sys.stdout)
