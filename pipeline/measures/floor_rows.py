"""Rows of a floor that every probe measures beside its own rows; the same for all arms."""

from pipeline.measures.measure import replicates_key


def array_name(task: str, metric: str, floor: str | None) -> str:
    """Name of a row's array in replicates.npz.

    Args:
        floor: the arm of the row in tables; None: that of the probe.
    """
    name = replicates_key(task, metric)
    return name if floor is None else f"{name} {floor}"
