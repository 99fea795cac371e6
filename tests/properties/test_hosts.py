"""Files of hosts with strange words and damaged bytes: the hosts that stand there, or lines that say so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.runtime.hosts import Host, HostsRefused, read_hosts
from tests.properties.damaged import STRANGE, changed_bytes

WHOLE = "# two of a rack\nnode-a slots=2\nuser@node-b slots = 1\n10.0.0.7\nfe80::1 slots=4\n"
WORDS = st.one_of(
    st.sampled_from(
        ["node-a", "node-c", "slots", "=", "slots=", "slots=0", "slots=-1", "slots=٣", "#", "-oX"]
    ),
    st.sampled_from(["slots=" + "9" * 5000, "slots=0x2", "max_slots=2", "a\x00b", "a\x85b", "*", "node-d:2"]),
    STRANGE.map(str),
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("hosts") / "hosts.txt"


def read_or_told(path) -> tuple[list[Host], list[str]]:
    try:
        return read_hosts(path), []
    except HostsRefused as error:
        return [], error.lines


def right_or_refused(path) -> None:
    hosts, told = read_or_told(path)
    for line in told:
        assert str(path) in line
        assert "\n" not in line
        assert len(line) < 1000
    assert bool(hosts) != bool(told)
    lines = path.read_bytes().decode(errors="replace").splitlines()
    assert len({host.name for host in hosts}) == len(hosts)
    for host in hosts:
        assert lines[host.line - 1].split()[0].startswith(host.name)
        assert not host.name.startswith("-")


@given(data=st.data())
def test_damaged_bytes(path, data):
    path.write_bytes(data.draw(changed_bytes(WHOLE.encode())))
    right_or_refused(path)


@given(lines=st.lists(st.lists(WORDS, max_size=4).map(" ".join), max_size=4))
def test_strange_words(path, lines):
    path.write_bytes("\n".join(lines).encode(errors="surrogatepass"))
    right_or_refused(path)


def test_what_is_not_damaged_is_right(path):
    """Else the other tests could not fail."""
    path.write_text(WHOLE)
    assert [host.name for host in read_hosts(path)] == ["node-a", "user@node-b", "10.0.0.7", "fe80::1"]
