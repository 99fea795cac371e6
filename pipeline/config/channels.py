"""Consequences of `data.channels`: values that it sets, and settings that do not go with it."""

from typing import Any

from pipeline.config.section import Section

_DENSE = ("segmentation", "detection")
_COLOURLESS_CROPS = {
    "jitter_probability": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "grey_probability": 0.0,
    "solarize_probability": (0.0, 0.0, 0.0),
}
_COLOURLESS_VIEW = {"num_operations": 0}  # RandAugment consists of changes of colour


def with_channels(values: dict[str, Any]) -> dict[str, Any]:
    """Fill in what `data.channels` implies, where the experiment does not set it.

    The base takes as many channels. Augmentations of colour are switched off. The embedded drawings that
    presets have for segmentation and detection are left out, because they are RGB.
    """
    channels = _value(values.get("data"), "channels")
    if channels is None:
        return values
    values = dict(values)
    values["backbone"] = _with_defaults(values.get("backbone", {}), {"channels": channels})
    values["crops"] = _with_defaults(values.get("crops", {}), _COLOURLESS_CROPS)
    if isinstance(finetune := values.get("finetune"), dict):
        view = _with_defaults(finetune.get("view", {}), _COLOURLESS_VIEW)
        values["finetune"] = finetune | {"view": view}
    for task in _DENSE:
        source = _value(_value(values.get(task), "data"), "source")
        if source in (None, "photo-scenes"):
            values[task] = None
    if all(values[task] is None or values[task] is False for task in _DENSE):
        values["dense_probe"] = None
    return values


def check_channels(experiment: Section) -> None:
    """Refuse settings that do not go with images of `data.channels` channels.

    Raises:
        ValueError: names the setting, and the value it needs.
    """
    for task in _DENSE:
        section = getattr(experiment, task)
        if section is not None and section.data.channels is not None:
            raise ValueError(
                f"{task}.data.channels {section.data.channels}: {task} reads RGB of 8 bits only; leave it out"
            )
    channels = experiment.data.channels
    if experiment.backbone.channels != channels:
        raise ValueError(
            f"backbone.channels {experiment.backbone.channels} must equal data.channels {channels}; "
            "leave it out"
        )
    finetune = experiment.finetune
    if finetune is not None and finetune.data is not None and finetune.data.channels != channels:
        raise ValueError(
            f"finetune.data.channels {finetune.data.channels} must equal data.channels {channels}"
        )
    for each in experiment.evaluate:
        if each.data.channels != channels:
            raise ValueError(
                f"evaluate {each.name}: data.channels {each.data.channels} must equal data.channels "
                f"{channels} of the experiment, which its backbones take"
            )
    if channels is None:
        return
    for task in _DENSE:
        if getattr(experiment, task) is not None:
            raise ValueError(
                f"data.channels {channels}: {task} reads RGB of 8 bits, and no base of {channels} channels; "
                f"needs {task} = false"
            )
    if experiment.weights or experiment.start_weights() is not None:
        name = f"weights.{next(iter(experiment.weights))}" if experiment.weights else "start.source"
        raise ValueError(
            f"{name}: the first layer of other projects' weights takes 3 channels, RGB of 8 bits, and "
            f"data.channels is {channels}; leave it out"
        )
    _check_colour(experiment, channels)


def _check_colour(experiment: Section, channels: int) -> None:
    crops = experiment.crops
    for name in ("saturation", "hue", "grey_probability", "solarize_probability"):
        value = getattr(crops, name)
        if any(value) if isinstance(value, tuple) else value:
            raise ValueError(f"crops.{name} {value} is of RGB in 8 bits; data.channels {channels} needs 0")
    if experiment.finetune is not None and experiment.finetune.view.num_operations:
        raise ValueError(
            f"finetune.view.num_operations: RandAugment is of RGB in 8 bits; data.channels {channels} needs 0"
        )


def _value(section: Any, name: str) -> Any:
    return section.get(name) if isinstance(section, dict) else getattr(section, name, None)


def _with_defaults(section: Any, defaults: dict[str, Any]) -> Any:
    """Given values replace the defaults; a finished section has every value."""
    return defaults | section if isinstance(section, dict) else section
