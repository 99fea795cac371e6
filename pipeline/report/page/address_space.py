"""Room for the engine that draws charts, which reserves address space and crashes where it gets none."""

import resource

_GIB = 2**30
NEEDED_BYTES = 128 * _GIB  # vl-convert 1.9 draws with so much, and is ended by SIGTRAP with 64 GiB


class AddressSpaceTooSmall(RuntimeError):
    """Charts cannot be drawn in this process; the message says what to do."""


def raise_address_space_limit() -> None:
    """Raise the process's own limit of address space as far as it may, if it is too low.

    Raises:
        AddressSpaceTooSmall: it may not be raised far enough.
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
