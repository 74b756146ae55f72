#!/usr/bin/python3
"""Both sides of the VMM's API against Firecracker's own OpenAPI description (firecracker-api.yaml beside this file):
the bodies that the client makes, and what banger-qemu accepts and answers. Debian: python3-yaml, python3-jsonschema."""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time

try:
    import jsonschema
    import yaml
except ImportError as missing:
    sys.exit(f"SKIP is not allowed here: install python3-yaml and python3-jsonschema ({missing})")

HERE = os.path.dirname(os.path.abspath(__file__))


def closed(schema):
    """Forbids fields that the description does not name: Firecracker denies unknown fields."""
    if isinstance(schema, dict):
        result = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
            result["additionalProperties"] = False
        return result
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    return schema


class Description:
    def __init__(self):
        with open(os.path.join(HERE, "firecracker-api.yaml"), encoding="utf-8") as source:
            self.api = closed(yaml.safe_load(source))

    def check(self, schema, value):
        resolver = jsonschema.RefResolver("", self.api)
        jsonschema.Draft4Validator(schema, resolver=resolver).validate(value)

    def check_definition(self, name, value):
        self.check({"$ref": f"#/definitions/{name}"}, value)

    def operation(self, method, path):
        """The operation that serves this path, or None."""
        wanted = path.strip("/").split("/")
        for template, operations in self.api["paths"].items():
            parts = template.strip("/").split("/")
            if len(parts) == len(wanted) and all(p == w or p.startswith("{") for p, w in zip(parts, wanted)):
                return operations.get(method.lower())
        return None

    def check_answer(self, method, path, status, body):
        operation = self.operation(method, path)
        if operation is None:
            assert status == 400, f"{method} {path}: unknown, yet status {status}"
            return self.check_definition("Error", body)
        answers = operation["responses"]
        answer = answers.get(status, answers["default"])
        if status < 300:
            assert status in answers, f"{method} {path}: status {status} is not described"
        if "schema" in answer and body is not None:
            self.check(answer["schema"], body)
        else:
            assert body is None, f"{method} {path}: a body where none is described"
        if status >= 400:
            assert body["fault_message"], f"{method} {path}: no fault_message"
        return None


class Vmm:
    """banger-qemu without a guest, and one connection to it."""

    def __init__(self, program, folder):
        self.path = os.path.join(folder, "api.sock")
        self.process = subprocess.Popen([program, "--id", "contract", "--api-sock", self.path, "--null"])
        deadline = time.monotonic() + 20
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        while True:
            try:
                self.socket.connect(self.path)
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, "no API socket"
                time.sleep(0.001)

    def ask(self, method, path, body):
        content = b"" if body is None else (body if isinstance(body, bytes) else json.dumps(body).encode())
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        if content:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + content)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.more()
        headers, data = data.split(b"\r\n\r\n", 1)
        lines = headers.decode().split("\r\n")
        length = 0
        for line in lines[1:]:
            name, value = line.split(":", 1)
            if name.lower() == "content-length":
                length = int(value)
        while len(data) < length:
            data += self.more()
        return int(lines[0].split()[1]), json.loads(data) if data else None

    def more(self):
        data = self.socket.recv(65536)
        assert data, "the connection ended"
        return data


def cases(folder):
    """(method, path, body, whether it is accepted): before the start, the start, after it."""
    kernel = os.path.join(folder, "kernel")
    drive = {"drive_id": "a", "is_root_device": True, "is_read_only": True, "path_on_host": kernel}
    net = {"iface_id": "e", "host_dev_name": "t0", "guest_mac": "06:00:00:00:00:01", "mtu": 1500}
    machine = {"vcpu_count": 2, "mem_size_mib": 256}
    limiter = {"bandwidth": {"size": 1000, "refill_time": 100}}
    start = {"action_type": "InstanceStart"}
    early = [
        ("GET", "/", None, True), ("GET", "/version", None, True), ("GET", "/machine-config", None, True),
        ("GET", "/vm/config", None, True), ("GET", "/balloon", None, False), ("GET", "/mmds", None, True),
        ("PUT", "/actions", start, False), ("PUT", "/actions", {"action_type": "Fly"}, False),
        ("PUT", "/boot-source", {"kernel_image_path": kernel, "boot_args": "quiet"}, True),
        ("PUT", "/boot-source", {"kernel_image_path": folder + "/none"}, False),
        ("PUT", "/boot-source", {"boot_args": "quiet"}, False), ("PUT", "/boot-source", b"{", False),
        ("PUT", "/boot-source", {"kernel_image_path": kernel, "extra": 1}, False),
        ("PUT", "/machine-config", machine, True), ("PUT", "/machine-config", {"vcpu_count": 1}, False),
        ("PUT", "/machine-config", dict(machine, vcpu_count=33), False),
        ("PUT", "/machine-config", dict(machine, cpu_template="T2"), False),
        ("PUT", "/machine-config", dict(machine, huge_pages="2M"), False),
        ("PATCH", "/machine-config", {"smt": True}, True), ("PATCH", "/machine-config", {}, False),
        ("PUT", "/drives/a", drive, True), ("PUT", "/drives/b", drive, False),
        ("PUT", "/drives/b", dict(drive, drive_id="b"), False),
        ("PUT", "/drives/b", dict(drive, drive_id="b", is_root_device=False, rate_limiter=limiter), True),
        ("PUT", "/drives/c", {"drive_id": "c", "is_root_device": False, "socket": "/s"}, False),
        ("PUT", "/network-interfaces/e", net, True), ("PUT", "/network-interfaces/e", dict(net, mtu=1), False),
        ("PUT", "/network-interfaces/e", dict(net, guest_mac="x"), False),
        ("PUT", "/network-interfaces/e", dict(net, rx_rate_limiter=limiter), False),
        ("PUT", "/vsock", {"guest_cid": 3, "uds_path": folder + "/v"}, True),
        ("PUT", "/vsock", {"guest_cid": 2, "uds_path": folder + "/v"}, False),
        ("PUT", "/entropy", {}, True), ("PUT", "/entropy", {"rate_limiter": limiter}, True),
        ("PUT", "/entropy", {"x": 1}, False), ("PUT", "/serial", {}, True),
        ("PUT", "/serial", {"rate_limiter": {"size": 1, "refill_time": 1}}, False),
        ("PUT", "/balloon", {"amount_mib": 16, "deflate_on_oom": True, "stats_polling_interval_s": 1}, True),
        ("PUT", "/balloon", {"amount_mib": 1000, "deflate_on_oom": True}, False), ("GET", "/balloon", None, True),
        ("GET", "/balloon/statistics", None, False),
        ("PUT", "/logger", {"log_path": folder + "/log", "level": "Debug"}, True),
        ("PUT", "/logger", {"level": "loud"}, False), ("PUT", "/metrics", {"metrics_path": folder + "/metrics"}, True),
        ("PUT", "/metrics", {}, False), ("PUT", "/mmds", {"a": {"b": 1}}, True), ("PATCH", "/mmds", {"a": 2}, True),
        ("PUT", "/mmds/config", {"network_interfaces": ["e"]}, False), ("GET", "/mmds", None, True),
        ("PUT", "/cpu-config", {}, False), ("PUT", "/pmem/p", {"id": "p", "path_on_host": kernel}, False),
        ("PUT", "/hotplug/memory", {"total_size_mib": 128}, False), ("GET", "/hotplug/memory", None, False),
        ("PUT", "/snapshot/load", {"snapshot_path": "/s", "mem_file_path": "/m"}, False),
        ("PATCH", "/vm", {"state": "Paused"}, False), ("PATCH", "/drives/a", {"drive_id": "a"}, False),
        ("GET", "/vm/config", None, True), ("GET", "/nowhere", None, False), ("PUT", "/foo", {}, False),
    ]
    late = [
        ("PUT", "/actions", start, True), ("PUT", "/actions", start, False), ("GET", "/", None, True),
        ("PUT", "/boot-source", {"kernel_image_path": kernel}, False), ("PUT", "/machine-config", machine, False),
        ("PUT", "/drives/a", drive, False), ("PATCH", "/vm", {"state": "Paused"}, True), ("GET", "/", None, True),
        ("PUT", "/snapshot/create", {"snapshot_path": "/s", "mem_file_path": "/m"}, False),
        ("PATCH", "/vm", {"state": "Resumed"}, True), ("PATCH", "/vm", {"state": "Flying"}, False),
        ("PATCH", "/drives/a", {"drive_id": "a", "rate_limiter": limiter}, True),
        ("PATCH", "/drives/zz", {"drive_id": "zz"}, False),
        ("PATCH", "/network-interfaces/e", {"iface_id": "e"}, True),
        ("PATCH", "/balloon", {"amount_mib": 32}, True), ("GET", "/balloon", None, True),
        ("GET", "/balloon/statistics", None, True),
        ("PATCH", "/balloon/statistics", {"stats_polling_interval_s": 2}, True),
        ("PATCH", "/balloon/hinting/stop", None, False), ("GET", "/balloon/hinting/status", None, False),
        ("PUT", "/actions", {"action_type": "FlushMetrics"}, True), ("GET", "/vm/config", None, True),
        ("PUT", "/actions", {"action_type": "SendCtrlAltDel"}, True),
    ]
    return early + late


def check_client(description, program):
    lines = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    assert len(lines) > 15, "the client shows too few bodies"
    for line in lines:
        entry = json.loads(line)
        try:
            description.check_definition(entry["definition"], entry["body"])
        except jsonschema.ValidationError as error:
            sys.exit(f"client: {entry['definition']}: {error.message}: {line}")
    return len(lines)


def check_vmm(description, program):
    with tempfile.TemporaryDirectory(prefix="banger-contract-") as folder:
        with open(os.path.join(folder, "kernel"), "wb") as kernel:
            kernel.write(b"kernel")
        vmm = Vmm(program, folder)
        try:
            done = 0
            for method, path, body, accepted in cases(folder):
                status, answer = vmm.ask(method, path, body)
                told = f"{method} {path} {body}: status {status}, {answer}"
                assert (status < 300) == accepted, told
                try:
                    description.check_answer(method, path, status, answer)
                except jsonschema.ValidationError as error:
                    sys.exit(f"vmm: {told}: {error.message}")
                done += 1
            assert vmm.process.wait(20) == 0, "ctrl-alt-del ends a null guest with status 0"
            return done
        finally:
            if vmm.process.poll() is None:
                vmm.process.kill()
                vmm.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bodies", required=True)
    parser.add_argument("--vmm", required=True)
    options = parser.parse_args()
    description = Description()
    print(check_client(description, options.bodies), "bodies of the client are as described")
    print(check_vmm(description, options.vmm), "requests to banger-qemu were answered as described")


if __name__ == "__main__":
    main()
