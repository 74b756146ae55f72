"""Machines for the tests of the network: each is a network namespace inside an instance, with a process that does as told. A
guest's is wired to a tap of the helper's as a VMM would be; others by a pair of virtual links."""
import contextlib
import json
import re

from banger_test import until

NODE = """
import array, ctypes, errno, fcntl, json, os, select, socket, struct, subprocess, sys, threading
TUNSETIFF, IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x400454ca, 2, 0x1000, 0x4000
heard, news = [], threading.Condition()

def attach(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return fd

def sh(script):
    done = subprocess.run(["sh", "-c", script], text=True, capture_output=True)
    return {"status": done.returncode, "output": done.stdout + done.stderr}

def wire(one, other):
    while True:
        for fd in select.select([one, other], [], [])[0]:
            try:
                frame = os.read(fd, 70000)
            except OSError:
                return  # the link is gone
            try:
                os.write(other if fd == one else one, frame)
            except OSError:
                continue  # it is not up yet: the frame is lost, as on a wire

def listen(port):
    served = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    served.bind(("0.0.0.0", port))
    def serve():
        while True:
            try:
                data, peer = served.recvfrom(2000)
            except OSError:
                continue
            with news:
                heard.append([data.decode(), peer[0]])
                news.notify_all()
            try:
                served.sendto(b"seen from " + peer[0].encode(), peer)
            except OSError:
                continue
    threading.Thread(target=serve, daemon=True).start()

def wait(text):
    with news:
        there = news.wait_for(lambda: any(said == text for said, _ in heard), 20)
        return heard if there else {"error": "not heard: " + text, "heard": heard}

def sender(source):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND
    if source:
        made.bind((source, 0))
    return made

def send(to, text, source=None):
    sender(source).sendto(text.encode(), tuple(to))

def ask(to, text, source=None):
    asked = sender(source)
    asked.settimeout(20)
    try:
        asked.connect(tuple(to))
        asked.send(text.encode())
        return asked.recv(2000).decode()
    except socket.timeout:
        return "no answer"
    except OSError as error:
        return errno.errorcode[error.errno]

tap = attach(sys.argv[1]) if len(sys.argv) > 1 else None
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x40000000) != 0:  # CLONE_NEWNET
    raise OSError(ctypes.get_errno(), "unshare")
sh("ip link set lo up")
if tap is not None:
    # As quiet as a guest can be: only what the test wants is said.
    sh("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6")
    threading.Thread(target=wire, args=(tap, attach("eth0")), daemon=True).start()
print(json.dumps(os.getpid()), flush=True)
for line in sys.stdin:
    verb, arguments = json.loads(line)
    print(json.dumps({"sh": sh, "listen": listen, "wait": wait, "send": send, "ask": ask}[verb](*arguments)), flush=True)
"""


class Node:
    """A machine: node.ask((address, port), "text"), .send, .listen(port), .wait("text") → all that was heard until then."""

    def __init__(self, world, *arguments):
        self.process = world.instance.popen("/usr/bin/python3", "-I", "-c", NODE, *arguments, user="root", stdin=-1, stdout=-1,
                                            text=True)
        self.pid = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        assert line, "the node has ended"
        return json.loads(line)

    def __getattr__(self, verb):
        def tell(*arguments):
            self.process.stdin.write(json.dumps([verb, arguments]) + "\n")
            self.process.stdin.flush()
            answer = self._answer()
            assert not (isinstance(answer, dict) and "error" in answer), answer
            return answer

        return tell

    def run(self, script):
        answer = self.sh(script)
        assert answer["status"] == 0, answer
        return answer["output"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()


def carries(run, link):
    """Waits until the link passes packets. The kernel brings a link whose carrier comes on to that state a moment later, in up to a
    second (net/core/link_watch.c); what is sent before is dropped (its queue is then "noop")."""
    until(lambda: not re.search(" qdisc noop |NO-CARRIER|state DOWN", run(f"ip -o link show {link}")), f"{link} passes packets")


def mac_of(address):
    return "06:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


@contextlib.contextmanager
def guest(world, tap, address, gateway, mac=None, network=24):
    """A guest at a tap."""
    node = Node(world, tap)
    try:
        node.run(f"ip link set eth0 address {mac or mac_of(address)} && ip link set eth0 mtu 1500 up && "
                 f"ip addr add {address}/{network} dev eth0 && ip route add default via {gateway}")
        carries(node.run, "eth0")
        carries(world.root, tap)
        yield node
    finally:
        node.close()


@contextlib.contextmanager
def outside(world, name="up0", here="203.0.113.1", there="203.0.113.2"):
    """The world beyond the host: a machine at a link of the host, which knows the host's address and no guest's."""
    node = Node(world)
    try:
        world.root(f"ip link add {name} type veth peer name eth0 netns {node.pid} && ip addr add {here}/24 dev {name} && "
                   f"ip link set {name} up")
        node.run(f"ip addr add {there}/24 dev eth0 && ip link set eth0 up")
        carries(node.run, "eth0")
        carries(world.root, name)
        node.listen(7)
        yield node
    finally:
        world.root(f"ip link delete {name}")
        node.close()
