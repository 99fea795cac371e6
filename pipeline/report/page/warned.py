"""Where a pretraining warned, by its log: what was said while it ran is judged again."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.pretrain.collapse import collapse, same_features


def warned(log: Sequence[dict[str, float]], config: Mapping[str, Any]) -> dict[int, str]:
    """Step -> the warning after it.

    Args:
        log: lines of metrics.jsonl.
        config: of the pretraining, as its stamp has it.
    """
    found = {}
    for line in log:
        if "prototype_entropy" in line:
            text = collapse(line, config["projection_head"]["num_prototypes"])
        else:
            text = same_features(line) if "feature_spread" in line else None
        if text:
            found[int(line["step"])] = text
    return found
