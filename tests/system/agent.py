"""Runs in the test machine, once per account: takes commands from a virtio-serial port, and answers with what came of them.

Requests and answers are messages: a header as JSON with its length before it (4 bytes, big-endian), then `size` bytes.
  {"id": 1, "argv": […], "cwd": …, "env": {…}, "timeout": 60, "size": 5}   runs a command; the bytes are its standard input
  {"id": 1, "script": "…", "cwd": …, …}            the same for a Python program, in a child of this interpreter: D-Bus is loaded
                                                    already, which costs an emulated processor more than a second
  {"id": 2, "signal": 15, "target": 1, "size": 0}                          signals the process group of one that runs
  {"id": 1, "status": 0, "stdout": 3, "size": 7}    the answer: 3 bytes of standard output, 4 of standard error. A status below
                                                    zero is a signal's; null: it was killed at its time limit
"""
import json
import os
import signal
import subprocess
import sys
import threading
import traceback

from gi.repository import Gio  # noqa: F401 - for the scripts


class Agent:
    def __init__(self, port):
        self.port = os.open(port, os.O_RDWR)
        self.writing = threading.Lock()
        self.running = {}

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            part = os.read(self.port, min(count - len(data), 1 << 16))
            if not part:
                sys.exit(0)  # the port is gone
            data += part
        return bytes(data)

    def write(self, header, data=b""):
        text = json.dumps(header).encode()
        message = memoryview(len(text).to_bytes(4, "big") + text + data)
        with self.writing:
            while message:
                message = message[os.write(self.port, message[:1 << 16]):]

    def serve(self):
        while True:
            request = json.loads(self.read(int.from_bytes(self.read(4), "big")))
            data = self.read(request["size"])
            if "signal" in request:
                self.signal(request)
            else:
                self.start(request, data)

    def answer(self, request, status, out=b"", err=b""):
        self.write({"id": request["id"], "status": status, "stdout": len(out), "size": len(out) + len(err)}, out + err)

    def signal(self, request):
        process = self.running.get(request["target"])
        if process:
            kill_group(process, request["signal"])
        self.answer(request, 0)

    def start(self, request, data):
        argv, become = request.get("argv") or ["script"], None
        if "script" in request:
            def become():
                run_script(request)
        try:
            process = subprocess.Popen(argv, cwd=request["cwd"], env={**os.environ, **request["env"]}, start_new_session=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=become)
        except OSError as error:
            self.answer(request, 127, err=f"{argv[0]}: {error}\n".encode())
            return
        self.running[request["id"]] = process
        threading.Thread(target=self.finish, args=(request, data, process), daemon=True).start()

    def finish(self, request, data, process):
        out, err, status = b"", b"", None
        try:
            out, err = process.communicate(data, timeout=request["timeout"])
            status = process.returncode
        except subprocess.TimeoutExpired:
            kill_group(process, signal.SIGKILL)
            try:
                out, err = process.communicate(timeout=5)
            except subprocess.TimeoutExpired as error:  # somebody outside of the group holds the pipes open
                out, err = error.stdout or b"", error.stderr or b""
        del self.running[request["id"]]
        self.answer(request, status, out, err)


def run_script(request):
    """In the forked child, which has its standard streams: becomes the script instead of another program."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the pipe too on which Popen waits for exec
    os.environ.update(request["env"])
    status = 1
    try:
        exec(compile(request["script"], "script", "exec"), {"__name__": "__main__"})
        status = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def kill_group(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


Agent(sys.argv[1]).serve()
