"""The stages that run on ranks where `runtime.devices` is above 1; the others run in one process."""

from collections.abc import Mapping
from typing import Any

STAGES_ON_RANKS = frozenset(
    {
        "dense_probe",
        "detect",
        "features",
        "finetune",
        "linear_augmented",
        "pretrain",
        "search_train",
        "segment",
    }
)


def num_ranks(stage: str, runtime: Mapping[str, Any]) -> int:
    """Number of processes of a stage.

    Args:
        stage: as in its job's file, such as "search-train".
        runtime: fields of a `RuntimeConfig`.
    """
    return runtime["devices"] if stage.replace("-", "_") in STAGES_ON_RANKS else 1
