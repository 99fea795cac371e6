"""Learning rates by step and by layer, and which parameters decay."""

from collections.abc import Iterable, Sequence

from pipeline.config.dense import FinetuneSchedule
from pipeline.optim.param_groups import decays
from pipeline.optim.schedules import cosine

_WARMUP_START = 1e-6  # share of the peak at which the warm-up starts (mmseg)
_STEP_FACTOR = 0.1


def learning_rate(schedule: FinetuneSchedule, step: int, *, frozen: bool) -> float:
    """Learning rate of step 0, 1, ..., num_steps - 1.

    Source: iBOT's segmentation (linear warm-up, then linear decay to 0 over all steps) and detection
    (linear warm-up, then a tenth at each of two epochs) configurations; MAE's fine-tuning (linear warm-up
    from 0, then half a cosine over the remaining steps).
    """
    peak = schedule.frozen_lr if frozen and schedule.frozen_lr is not None else schedule.lr
    if schedule.decay == "cosine":
        return _warmed_cosine(schedule, step, peak)
    done = step / schedule.num_steps
    if schedule.decay == "poly":
        rate = peak * (1 - done)
    else:
        rate = peak * _STEP_FACTOR ** sum(done >= share for share in schedule.decay_at)
    if step < schedule.warmup_steps:
        rate *= _WARMUP_START + (1 - _WARMUP_START) * step / schedule.warmup_steps
    return rate


def _warmed_cosine(schedule: FinetuneSchedule, step: int, peak: float) -> float:
    warmup = schedule.warmup_steps
    if step < warmup:
        return peak * step / warmup
    return cosine(step - warmup, schedule.num_steps - warmup, peak, schedule.min_lr)


def layer_of(name: str, depth: int) -> int:
    """Layer of a parameter for layer-wise decay: 0 for embeddings, i + 1 for block i, depth + 1 for the rest.

    Args:
        name: name in the fine-tuned network; the backbone's parameters start with "backbone.network.".
        depth: number of blocks in the backbone.

    Source: iBOT's layer decay of segmentation and detection: the final norm counts among the rest.
    """
    inside = name.removeprefix("backbone.network.")
    if inside == name or inside.startswith("norm."):
        return depth + 1
    if inside.startswith("blocks."):
        return int(inside.split(".")[1]) + 1
    return 0


def layer_scales(names: Iterable[str], depth: int, decay: float) -> dict[str, float]:
    """Factor of each parameter's learning rate: decay ^ (depth + 1 - layer)."""
    return {name: decay ** (depth + 1 - layer_of(name, depth)) for name in names}


def decayed(name: str, shape: Sequence[int], *, embeddings: bool) -> bool:
    """Whether weight decay applies to a parameter; position embedding and CLS token only with `embeddings`.

    Source: iBOT's dense tasks decay the two, MAE's fine-tuning does not.
    """
    if name.rpartition(".")[2] in ("pos_embed", "cls_token", "register_tokens") and not embeddings:
        return False
    return decays(name, shape)
