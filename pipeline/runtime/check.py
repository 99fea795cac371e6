"""The result of one check, a line of `doit run doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """The result of one check."""

    name: str
    ok: bool | None  # False: a run would stop; None: it would only be slower or smaller
    found: str
    remedy: str = ""
