"""Finds the architectures, methods, probes and monitors that a run uses; only their code counts for it.

A table's entry is its value, the imports that only this entry needs, and those of the class that it names.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.config.backbone import BASES, BackboneConfig
from pipeline.config.methods import MethodSection
from pipeline.config.models import AuxiliaryHeadConfig
from pipeline.config.monitor import MonitorConfig
from pipeline.config.section import Section
from pipeline.config.weights import ForeignConfig
from pipeline.evaluate.probes.settings import ProbeSection

# Module -> name of the dict literal in it from which a configuration chooses entries.
TABLES = {
    "pipeline.evaluate.probes.settings": "PROBES",
    "pipeline.models.auxiliary_heads.kinds": "BLOCKS",
    "pipeline.models.backbones": "NETWORKS",
    "pipeline.pretrain.methods.settings": "METHODS",
    "pipeline.pretrain.monitor.monitors": "MONITORS",
}
Choices = frozenset[tuple[str, str]]  # of (module, key)

_PROBES, _HEADS, _BASES, _METHODS, _MONITORS = TABLES


def chosen_entries(sections: Iterable[Section]) -> Choices:
    """The (module, key) entries of `TABLES` named by these configurations, at any depth."""
    return frozenset(entry for section in sections for entry in _entries(section))


def _entries(value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case AuxiliaryHeadConfig():
            yield _HEADS, value.kind
        case BackboneConfig():
            yield _BASES, value.kind
        case ForeignConfig():  # only the file of weights says which kind of base it is
            yield from ((_BASES, kind) for kind in BASES)
        case MethodSection():
            yield _METHODS, value.name
        case MonitorConfig():
            if value.every_epochs:
                yield _MONITORS, "measures"
            if value.pictures_every_epochs:
                yield _MONITORS, "pictures"
        case ProbeSection():
            yield _PROBES, value.name
    if isinstance(value, Section):
        value = dict(value)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _entries(each)
