"""What the tests of the owner daemon share: clients that stay on the bus, VMs and jobs by name, and what must not be left."""
import json
import pathlib
import select
import subprocess

from banger_test import LIMIT, MANAGER, MANAGER_PATH, BusError, processes, until

HERE = pathlib.Path(__file__).resolve().parent
PROPERTIES = "org.freedesktop.DBus.Properties"
STEPS = ["network", "launch", "configure", "boot", "ready"]


def error_of(name):
    return f"org.banger.Error.{name}"


def variants(options):
    """{"vcpus": ("u", 2)} or plain str, bool, int (u) values as a{sv} of bus_call.py."""
    def one(value):
        if isinstance(value, bool):
            return ["b", value]
        if isinstance(value, int):
            return ["u", value]
        return ["s", value] if isinstance(value, str) else list(value)
    return {key: one(value) for key, value in options.items()}


class Client:
    """One connection to the owner's session bus; VMs are of the kind null unless said otherwise."""

    def __init__(self, instance):
        text = (HERE.parent / "lib" / "bus_call.py").read_text()
        text = text[:text.rindex("\nif __name__") if "\nif __name__" in text else text.rindex("\nmain()")]
        self.process = instance.popen("/usr/bin/python3", "-I", "-c", text + "\n" + (HERE / "daemon_client.py").read_text(),
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.instance = instance

    def send(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self, limit=LIMIT):
        assert select.select([self.process.stdout], [], [], limit)[0], "the client does not answer"
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise BusError(answer["error"], answer["message"])
        return answer["value"]

    def ask(self, **request):
        self.send(**request)
        return self.receive()

    def request(self, path, interface, member, signature="()", *arguments, destination=MANAGER):
        return {"do": "call", "destination": destination, "path": path, "interface": interface, "member": member,
                "signature": signature, "arguments": list(arguments), "timeout": 120}

    def call(self, path, interface, member, signature="()", *arguments):
        return self.ask(**self.request(path, interface, member, signature, *arguments))

    def manager(self, member, signature="()", *arguments):
        return self.call(MANAGER_PATH, MANAGER, member, signature, *arguments)

    def leave(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(LIMIT)
        self.process.stdout.close()

    # VMs and jobs

    def create(self, **options):
        """CreateVm: the job's path."""
        return self.manager("CreateVm", "(a{sv})", variants({"vmm": "null", **options}))[0]

    def wait(self, job):
        """The job's result; BusError when it failed."""
        return self.call(job, "org.banger.Job1", "Wait", "(a{sv})", {})[0]

    def made(self, **options):
        """CreateVm to its end."""
        return self.wait(self.create(**options))

    def act(self, member, name, **options):
        """StartVm, StopVm, KillVm, DeleteVm: the job's path."""
        return self.manager(member, "(sa{sv})", name, variants(options))[0]

    def done(self, member, name, **options):
        return self.wait(self.act(member, name, **options))

    def vms(self):
        return {vm["Name"]: vm for vm in self.manager("ListVms", "(a{sv})", {})[0]}

    def job(self, path):
        return self.call(path, PROPERTIES, "GetAll", "(s)", "org.banger.Job1")[0]

    def until_state(self, name, state):
        return until(lambda: (vm := self.vms().get(name)) and vm["State"] == state and vm, f"{name} is {state}")

    def until_step(self, job, step):
        """Waits until the job is at this step."""
        until(lambda: any(row[0] == step and row[1] == "running" for row in self.job(job)["Steps"]), f"step {step}")

    def fails(self, error, action):
        """Does `action` and returns the text of the error, which must be of this kind."""
        try:
            action()
        except BusError as failure:
            assert failure.name == error_of(error), f"{failure.name}: {failure.message}"
            return failure.message
        raise AssertionError(f"{error} did not come")


class Place:
    """An instance as the place of a daemon: `before` is how it looks with the bridge there and no VM."""

    def __init__(self, instance):
        self.instance = instance
        self.program = instance.inside_program()
        self.client = Client(instance)
        self.client.made(start=True, ephemeral=True, name="first")
        self.client.done("StopVm", "first")
        until(lambda: not self.jails(), "the first VM's jail is gone")
        # Tap and NAT go after the answer, when nobody waits for them.
        until(lambda: not self.traces(), lambda: f"the first VM's tap and NAT are gone; {self.traces()}")
        self.before = self.held()

    def held(self):
        """What of the machine is in use, as comparable lines; a bridge without ports is up or down as the kernel pleases."""
        found = self.instance.resources()
        found["addresses"] = [" ".join(word for i, word in enumerate(line.split()) if i != 1) for line in found["addresses"]]
        return sorted(f"{kind}: {line}" for kind, lines in found.items() for line in lines)

    def difference(self):
        now = self.held()
        return [f"+ {line}" for line in now if line not in self.before] + \
            [f"- {line}" for line in self.before if line not in now]

    def jails(self):
        return self.instance.exec("sh", "-c", "ls -A /var/lib/banger/jails", user="root", check=False).stdout.split()

    def traces(self):
        """What shows that a VM's network is there."""
        return [line for line in self.held() if "btap-" in line and "btap-*" not in line]

    def pids(self, *words):
        """The host's pids of the processes inside whose command line begins with these words."""
        wanted = [word.encode() for word in words]
        found = []
        for pid, entry in processes():
            try:
                line = (entry / "cmdline").read_bytes().split(b"\0")
                if line[:len(wanted)] == wanted and self.is_inside(pid):
                    found.append(pid)
            except OSError:
                continue
        return found

    def vmms(self):
        return self.pids("/banger-qemu")

    def daemon(self):
        return self.pids(self.program, "daemon")

    def helper(self):
        return self.pids(self.program, "helper")

    def is_inside(self, pid):
        """Whether a process is below the instance's supervisor."""
        supervisor = self.instance.pid("supervisor")
        while pid > 1:
            if pid == supervisor:
                return True
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            pid = int(status.split("PPid:")[1].split()[0])
        return False

    def folders(self):
        return sorted(path.name for path in (self.instance.home / ".local/share/banger/vms").iterdir())

    def check_nothing_left(self):
        """No VM, and nothing that a VM leaves."""
        until(lambda: not self.client.vms(), "no VM is listed")
        until(lambda: not self.difference(), lambda: f"nothing is left; {self.difference()}")
        until(lambda: not self.folders(), "no VM's folder is left")
        until(lambda: not self.vmms(), "no VMM runs")

    def clear(self):
        for name in self.client.vms():
            try:
                self.client.done("DeleteVm", name, force=True)
            except BusError as error:
                assert error.name in (error_of("NotFound"), "org.freedesktop.DBus.Error.UnknownObject"), error
