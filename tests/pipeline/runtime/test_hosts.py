"""Files of hosts; in place of ssh a program that the tests write, where it is not ssh that is asked."""

import platform
import shutil
import time
from pathlib import Path

import pytest

from pipeline.runtime.hosts import Host, HostsRefused, read_hosts, unreachable

# Knows one host where all is, one where nothing is, one that does not answer, one that refuses.
AGENT = """#!/bin/sh
case "$1" in
    good) exec sh -c "$2";;
    bare) exit 1;;
    silent) exec sleep 60;;
    *) echo "$1: permission denied" >&2; exit 255;;
esac
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "hosts.txt"


@pytest.fixture
def agent(tmp_path, monkeypatch) -> None:
    (tmp_path / "agent").write_text(AGENT)
    (tmp_path / "agent").chmod(0o755)
    monkeypatch.setenv("PRTE_MCA_plm_ssh_agent", str(tmp_path / "agent"))


def test_hosts_are_read_with_their_lines(path):
    path.write_text("# ours\nnode-a slots=2\n\nme@node-b.lab slots = 4 # new\n10.0.0.7\nfd00::7\n")
    assert read_hosts(path) == [
        Host("node-a", 2, 2), Host("me@node-b.lab", 4, 4), Host("10.0.0.7", 5), Host("fd00::7", 6)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("node-a slots=0", r"expected slots of 1 or more, found '0'"),
        ("node-a slots=-1", r"expected slots of 1 or more, found '-1'"),
        ("node-a slots=two", r"expected slots of 1 or more, found 'two'"),
        ("node-a slots=²", r"expected slots of 1 or more, found '²'"),
        ("node-a slots", r"expected a line NAME or NAME slots=N, found 'slots' after node-a"),
        ("node-a slot=2", r"expected a line NAME or NAME slots=N, found 'slot=2' after node-a"),
        ("node-a 2", r"found '2' after node-a"),
        ("node-a, node-b", r"found the name 'node-a,'"),
        ("node-a:2", r"found the name 'node-a:2'"),
        ("slots=2", r"found '=2' after slots"),
        ("-oProxyCommand=x", r"found the name '-oProxyCommand'"),
        ("node\x1b[2J", r"found the name 'node\\x1b\[2J'"),
        ("node-b slots=2", r"expected each host once, with all its slots, found node-b of line 1 again"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_expected_and_found(path, line, found):
    path.write_text(f"node-b\n{line}\n")
    with pytest.raises(HostsRefused, match=rf"^runtime\.hosts: .*hosts\.txt, line 2: .*{found}$"):
        read_hosts(path)


def test_every_wrong_line_is_told(path):
    path.write_text("a slots=0\nb\nb\nc!\n")
    with pytest.raises(HostsRefused) as refused:
        read_hosts(path)
    assert [line.split(": ")[1].rpartition(" ")[2] for line in refused.value.lines] == ["1", "3", "4"]


def test_a_file_that_is_not_there_or_empty_or_no_text_is_named(path):
    with pytest.raises(HostsRefused, match=r"runtime\.hosts: .*hosts\.txt: No such file"):
        read_hosts(path)
    path.write_text("# none\n")
    with pytest.raises(HostsRefused, match="expected a host in each line, found none"):
        read_hosts(path)
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(HostsRefused, match="no text in UTF-8"):
        read_hosts(path)


def test_a_host_that_cannot_be_used_is_told_with_its_line(path, agent):
    hosts = [Host(name, line) for line, name in enumerate(("good", "bare", "refused"), start=1)]
    bare, refused = unreachable(path, hosts, limit_seconds=60)
    assert "line 2: expected " in bare
    assert "on bare as here, found not both" in bare
    assert "line 3: expected that refused answers within 60 s" in refused
    assert "found 'refused: permission denied'" in refused


def test_hosts_that_do_not_answer_are_given_up_together(path, agent):
    started = time.monotonic()
    found = unreachable(path, [Host("silent", line) for line in range(1, 9)], limit_seconds=2)
    assert time.monotonic() - started < 2 * 8  # and not one after another
    assert len(found) == 8
    assert found[7].endswith(
        "line 8: expected that silent answers within 2 s, asked without a password, found no answer"
    )


def test_this_host_is_not_asked(path, monkeypatch):
    monkeypatch.setenv("PRTE_MCA_plm_ssh_agent", "false")
    names = ("localhost", platform.node(), "127.0.0.1", f"me@{platform.node()}")
    assert unreachable(path, [Host(name, 1) for name in names]) == []


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no ssh: apt-get install openssh-client")
def test_a_name_that_nobody_has_is_told_in_ssh_s_words(path, monkeypatch):
    monkeypatch.delenv("PRTE_MCA_plm_ssh_agent", raising=False)
    (problem,) = unreachable(path, [Host("node.invalid", 3)])
    assert "line 3: expected that node.invalid answers within 10 s" in problem
    assert "found no answer" in problem or "node.invalid" in problem.partition(", found ")[2]
