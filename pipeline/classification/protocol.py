"""Describes how a classifier was trained, for a row of a table."""

from pipeline.classification.schedule import schedule_in_steps
from pipeline.config.finetune import FinetuneConfig

_TOKENS = {"patches": "mean patch token", "cls": "CLS token"}


def protocol(
    config: FinetuneConfig, *, weights: str, num_images: int, labels: str, is_multilabel: bool = False
) -> str:
    """A sentence that tells recipes apart, and supervised training from fine-tuning of pretrained weights.

    Args:
        weights: kind of the backbone's weights, see `FrozenBackbone`.
        num_images: number of training images.
        labels: text about the subset of labels, with a comma in front; empty if all labels were used.
        is_multilabel: whether images have any number of classes.
    """
    schedule, view, mixing = config.schedule, config.view, config.mixing
    steps = schedule_in_steps(schedule, num_images).num_steps
    start = (
        "from random initialisation: supervised"
        if weights == "random"
        else f"{weights} fine-tuned end to end"
    )
    parts = [
        f"{start}{labels}",
        _TOKENS[config.pooling],
        f"{steps * schedule.batch_size / num_images:.3g} epochs ({steps} steps of {schedule.batch_size})",
        f"AdamW, base lr {schedule.base_lr:g}, layer decay {schedule.layer_decay:g}",
        f"drop path {schedule.drop_path_rate:g}",
        f"RandAugment {view.num_operations} x m{view.magnitude:g}"
        if view.num_operations
        else "no RandAugment",
        f"mixup {mixing.mixup_alpha:g}, cutmix {mixing.cutmix_alpha:g}"
        if mixing.probability
        else "no mixing of images",
        f"erasing {view.erase_probability:g}, label smoothing {mixing.label_smoothing:g}",
        "weights of the last step",
    ]
    if is_multilabel:
        parts.insert(1, "sigmoid and binary cross-entropy for each class")
    return ", ".join(parts)
