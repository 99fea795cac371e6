"""The address space that the drawing engine (vl-convert) reserves, without which it crashes."""

import resource

_GIB = 2**30
NEEDED_BYTES = 128 * _GIB  # enough for vl-convert 1.9, which ends with SIGTRAP at 64 GiB


class AddressSpaceTooSmall(RuntimeError):
    """The limit of address space is too low to draw charts; the message says what to do."""


def raise_address_space_limit() -> None:
    """Raise the process's soft limit of address space if it is too low.

    Raises:
        AddressSpaceTooSmall: the hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if _enough(soft):
        return
    if not _enough(hard):
        raise AddressSpaceTooSmall(
            f"charts: the engine that draws them reserves up to {NEEDED_BYTES / _GIB:.0f} GiB of address "
            "space, which is not memory; expected so much, or no limit, found RLIMIT_AS of "
            f"{hard / _GIB:.1f} GiB. What was made before the report is kept: without that limit "
            "(`ulimit -v unlimited`, or another job), `doit run report`"
        )
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _enough(limit: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= NEEDED_BYTES
