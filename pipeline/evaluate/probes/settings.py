"""Settings of the probes of cached features, and what the graph needs to know about each probe.

A new probe needs a class and an entry here.
"""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.config.section import Positive, PositiveInt, Section, Share


class ProbeSection(Section):
    """A probe of cached features.

    Class attributes:
        implementation: "module:function" of the probe, for `pkgutil.resolve_name`; it is called as
            `probe(config, data, runtime)` and returns an `Outcome`.
        multilabel_implementation: the same for images with any number of classes; it returns `Scored`. None:
            the probe needs one class per image.
        needs_val: whether the probe needs labelled validation images.
    """

    implementation: ClassVar[str]
    multilabel_implementation: ClassVar[str | None] = None
    needs_val: ClassVar[bool] = False


class KnnConfig(ProbeSection):
    """Weighted k-NN by the DINO/iBOT protocol."""

    implementation: ClassVar = "pipeline.evaluate.probes.knn:probe_knn"
    multilabel_implementation: ClassVar = "pipeline.evaluate.multilabel.knn_probe:score_by_knn"

    name: Literal["knn"] = "knn"
    ks: tuple[PositiveInt, ...] = (10, 20, 100, 200)  # numbers of neighbours; chosen on validation
    temperature: Positive = 0.07  # of the neighbours' weights
    num_bootstrap: PositiveInt = 1000  # resamples of the test images, for the interval of a single seed


class LinearConfig(ProbeSection):
    """Linear probe by the iBOT protocol, on cached features (no augmentation)."""

    implementation: ClassVar = "pipeline.evaluate.probes.linear:probe_linear"
    multilabel_implementation: ClassVar = "pipeline.evaluate.multilabel.linear_probe:score_by_linear"

    needs_val: ClassVar[bool] = True

    name: Literal["linear"] = "linear"
    epochs: PositiveInt = 100
    batch_size: PositiveInt = 1024
    # Learning rates for a batch of 256 images, all trained at once; the best is chosen on validation.
    base_lrs: tuple[Positive, ...] = tuple(
        round(digit * 10.0**power, 10) for power in range(-4, 1) for digit in range(1, 10)
    )
    momentum: Share = 0.9
    num_blocks: PositiveInt = 4  # CLS tokens of the last n blocks, concatenated (4: ViT-S; 1: ViT-B, L)
    average_pool: bool = False  # append the mean patch token of the last block (iBOT: for ViT-B, L)
    num_bootstrap: PositiveInt = 1000  # resamples of the test images, for the interval of a single seed


class LogisticConfig(ProbeSection):
    """L2-regularised logistic regression, to the minimum of scikit-learn's objective."""

    implementation: ClassVar = "pipeline.evaluate.probes.logistic:probe_logistic"
    multilabel_implementation: ClassVar = "pipeline.evaluate.multilabel.logistic_probe:score_by_logistic"

    name: Literal["logistic"] = "logistic"
    inverse_strengths: tuple[Positive, ...] = (0.01, 0.1, 1.0, 10.0)  # C; chosen on validation
    max_iterations: PositiveInt = 1000
    num_bootstrap: PositiveInt = 1000  # resamples of the test images, for the interval of a single seed


@dataclass(frozen=True)
class Probe:
    """Facts about a probe for the graph."""

    section: type[ProbeSection]
    title: str  # of its tasks
    of_label_shares: bool = False  # whether it also learns from a share of the labels
    on_card: bool = False  # whether it computes on a GPU where there is one, without Jittor


# Name, also of the section in an experiment and of the tasks -> the probe.
PROBES: dict[str, Probe] = {
    "knn": Probe(KnnConfig, "Weighted k-NN on the features", of_label_shares=True, on_card=True),
    "linear": Probe(LinearConfig, "Linear probe on the features"),
    "logistic": Probe(LogisticConfig, "Logistic regression on the features", of_label_shares=True),
}
SECTIONS = {name: probe.section for name, probe in PROBES.items()}
ProbeConfig = Annotated[reduce(or_, SECTIONS.values()), Field(discriminator="name")]
