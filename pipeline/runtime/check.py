"""What `doit run doctor` says of one thing that it looked at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool | None  # False would stop a run; None only makes it slower or smaller
    found: str
    remedy: str = ""
