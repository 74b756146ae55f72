"""banger vm ports: what listens in the guest."""
import json


def listed(guests, box):
    return json.loads(guests.cli("vm", "ports", box, "-o", "json").stdout)


def test_nothing_listens_in_a_bare_guest(guests, box):
    assert listed(guests, box) == []
    assert guests.cli("vm", "ports", box).stdout.split() == ["PROTOCOL", "ADDRESS", "PORT", "PROCESS"]


def test_a_listener_is_listed_with_its_process_and_gone_with_it(guests, box):
    # perl is in every Debian image, which a network tool is not.
    script = ("use IO::Socket::INET; my @s = (IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8099, Listen => 1, "
              "Proto => 'tcp'), IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => 8097, Proto => 'udp')); "
              "$| = 1; print qq(up\\n); <STDIN>;")
    server = guests.cli_popen("vm", "exec", box, "--", "perl", "-e", script, stdin=-1, stdout=-1)
    assert server.stdout.readline() == b"up\n"
    found = listed(guests, box)
    assert {"protocol": "tcp", "address": "127.0.0.1", "port": 8099, "process": "perl"} in found
    assert {"protocol": "udp", "address": "0.0.0.0", "port": 8097, "process": "perl"} in found
    table = guests.cli("vm", "ports", box).stdout
    assert "127.0.0.1" in table and "8099" in table and "perl" in table
    server.stdin.close()
    assert server.wait(60) == 0
    server.stdout.close()
    assert listed(guests, box) == []


def test_no_such_vm(guests, box):
    result = guests.cli("vm", "ports", "nobody", check=False)
    assert result.returncode != 0 and "nobody" in result.stderr
