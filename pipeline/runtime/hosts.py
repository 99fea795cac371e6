"""Reads the file of `runtime.hosts` strictly, and checks that its hosts can be reached.

mpirun accepts lines that are refused here (`slots=0`, a host twice), has no clear message for a wrong one,
and notices a host that does not answer only when a stage starts.
"""

import os
import platform
import re
import shlex
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path

REACH_SECONDS = 10  # for one host to answer; all are asked at once
_PROJECT = Path(__file__).resolve().parents[2]
_AGENT = "PRTE_MCA_plm_ssh_agent"  # variable of mpirun: the program to use instead of ssh
_SSH = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={REACH_SECONDS}"]
# No name begins with a hyphen: ssh would take it for an option.
_NAME = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SHOWN = 80  # characters of a wrong word
_MOST_DIGITS = 6  # of the slots of a host
_LINE = "a line NAME or NAME slots=N"
_ASKED_AT_ONCE = 64


class HostsRefused(RuntimeError):
    """The file of hosts is wrong; `lines` holds one message for each problem."""

    def __init__(self, lines: list[str]):
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass(frozen=True)
class Host:
    """A host of the file."""

    name: str  # also "user@name"
    line: int  # its line in the file, from 1
    slots: int | None = None  # None: not stated


def read_hosts(path: Path) -> list[Host]:
    """The hosts of a file, in its order.

    Raises:
        HostsRefused: the file cannot be read, names no host or one twice, or has a malformed line.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text in UTF-8"
        raise HostsRefused([f"runtime.hosts: {path}: {reason}"]) from error
    first: dict[str, int] = {}  # name -> line
    hosts, problems = [], []
    for number, line in enumerate(lines, start=1):
        fields = line.partition("#")[0].replace("=", " = ").split()
        if not fields:
            continue
        name = fields[0]
        problem = _problem_of_line(fields) or (
            f"expected each host once, with all its slots, found {_short(name)} of line {first[name]} again"
            if name in first
            else None
        )
        if problem is not None:
            problems.append(f"{_location(path, number)}: {problem}")
        first.setdefault(name, number)
        hosts.append(Host(name, number, _slots(fields) if problem is None else None))
    if problems:
        raise HostsRefused(problems)
    if not hosts:
        raise HostsRefused([f"runtime.hosts: {path}: expected a host in each line, found none"])
    return hosts


def unreachable(path: Path, hosts: list[Host], *, limit_seconds: float = REACH_SECONDS) -> list[str]:
    """A message for each host that mpirun could not use; this host is not asked.

    Each host is asked over ssh, or the program that mpirun uses instead, whether the project and this Python
    exist there. Data, caches and firewalls between hosts are not checked.

    Args:
        path: the file that names the hosts.
        limit_seconds: for each host; all are asked in parallel.
    """
    others = [host for host in hosts if not _is_this_host(host.name)]
    if not others:
        return []
    with ThreadPoolExecutor(min(len(others), _ASKED_AT_ONCE)) as asking:
        found = [*asking.map(partial(_problem_of_host, limit_seconds=limit_seconds), others)]
    answers = zip(others, found, strict=True)
    return [f"{_location(path, host.line)}: {problem}" for host, problem in answers if problem]


def _location(path: Path, line: int) -> str:
    return f"runtime.hosts: {path}, line {line}"


def _problem_of_line(fields: list[str]) -> str | None:
    """The error in a line of the host list, split into fields ("=" is a field too); None if it is valid."""
    name, *rest = fields
    if not _is_name(name):
        return f"expected {_LINE}, found the name {_short(name)!r}"
    if not rest:
        return None
    if len(rest) != 3 or rest[:2] != ["slots", "="]:
        told = " ".join(rest).replace("= ", "=").replace(" =", "=")
        return f"expected {_LINE}, found {_short(told)!r} after {_short(name)}"
    slots = rest[2]
    # Of thousands of digits Python makes no number.
    if not (slots.isascii() and slots.isdecimal() and len(slots) <= _MOST_DIGITS and int(slots) > 0):
        return f"expected slots of 1 or more, found {_short(slots)!r}"
    return None


def _slots(fields: list[str]) -> int | None:
    """The slots of a valid line."""
    return int(fields[-1]) if len(fields) > 1 else None


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None or _address(name.rpartition("@")[2]) is not None


def _address(name: str):
    try:
        return ip_address(name)
    except ValueError:
        return None


def _is_this_host(name: str) -> bool:
    name, own = name.rpartition("@")[2], platform.node()
    address = _address(name)
    if address is None:
        return name in ("localhost", own, own.partition(".")[0]) or name.partition(".")[0] == own
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as tried:
            tried.bind((str(address), 0))  # an address of another host cannot be bound
    except OSError:
        return False
    return True


def _problem_of_host(host: Host, *, limit_seconds: float) -> str | None:
    expected = f"expected that {host.name} answers within {limit_seconds:g} s, asked without a password"
    agent = shlex.split(os.environ.get(_AGENT, "")) or _SSH
    there = [Path(sys.executable), _PROJECT]
    asked = " && ".join(f"test -e {shlex.quote(str(path))}" for path in there)
    try:
        done = subprocess.run(
            [*agent, host.name, asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=limit_seconds,
        )
    except subprocess.TimeoutExpired:
        return f"{expected}, found no answer"
    except OSError as error:
        return f"{expected}, found no {agent[0]}: {error.strerror}"
    if done.returncode == 0:
        return None
    if done.returncode == 1:
        return f"expected {' and '.join(map(str, there))} on {host.name} as here, found not both"
    errors = [line for line in done.stderr.splitlines() if line.strip()]
    return f"{expected}, found {errors[-1].strip() if errors else f'exit code {done.returncode}'!r}"
