"""Lists on the command line: which VMs they show, and that programs can read them."""
import json

import yaml


def names(cli, *words, status=0):
    return cli("vm", "list", "-q", *words, status=status).stdout.split()


def test_which_vms_a_list_shows(cli):
    for name in ("web-1", "web-2", "db"):
        cli.create(name)
    cli("vm", "start", "web-2")
    assert names(cli) == ["web-2"] and names(cli, "--all") == ["web-1", "web-2", "db"]
    assert names(cli, "--all", "--filter", "name=web-*") == ["web-1", "web-2"]
    assert names(cli, "--filter", "state=created") == ["web-1", "db"]  # a state asks for all states
    assert names(cli, "--filter", "state=created", "--filter", "state=running", "--filter", "name=web-?") == ["web-1", "web-2"]
    assert names(cli, "--latest") == ["db"]
    assert cli("ps", "-q").stdout == "web-2\n"
    result = cli("vm", "list", "--filter", "stat=running", status=2)
    assert "did you mean `state`" in result.stderr and "the keys are name, " in result.stderr


def test_tables(cli):
    cli.create("web")
    cli("vm", "start", "web")
    header, row = cli("vm", "list").stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "IMAGE", "ADDRESS", "CPUS", "MEMORY", "UPTIME", "CREATED"]
    assert row.startswith("web   running  ") and row.endswith(" ago")
    assert cli("vm", "list", "--no-header").stdout.startswith("web ")
    assert cli("kernel", "list", "--no-header").stdout.startswith("tiny ")
    assert cli("kernel", "list", "-q", "--filter", "format=nope").stdout == ""
    assert cli("image", "list", "--no-header").stdout == ""


def test_json_and_yaml_say_the_same(cli):
    cli.create("web")
    for words in (["vm", "list", "--all"], ["vm", "show", "web"], ["kernel", "list"], ["image", "list"], ["version"]):
        as_json = json.loads(cli(*words, "-o", "json").stdout)
        assert as_json == yaml.safe_load(cli(*words, "-o", "yaml").stdout), words
    assert "contradict" in cli("kernel", "list", "-q", "-o", "json", status=2).stderr
