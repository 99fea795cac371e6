"""Forecasts the time of a stage that has never run here, from its configuration and this machine's speed."""

from collections.abc import Callable

from pipeline.config.data import DataConfig
from pipeline.config.dense import DenseProbeConfig, DetectConfig, PositionConfig, SegmentConfig
from pipeline.config.duplicates import DuplicatesConfig
from pipeline.config.evaluate import FEW_SHOT
from pipeline.config.few_shot import FewShotConfig
from pipeline.config.finetune import FinetuneConfig
from pipeline.config.linear_augmented import LINEAR_AUGMENTED, LinearAugmentedConfig
from pipeline.config.report import ReportConfig
from pipeline.config.stages import FeaturesConfig, InitializeConfig, PixelsConfig, PretrainConfig
from pipeline.config.tables import TablesConfig
from pipeline.config.views import ViewsConfig
from pipeline.costs import forecast
from pipeline.costs.forecast import Machine
from pipeline.costs.machine import is_compiled, product_rate
from pipeline.costs.pretraining import is_counted
from pipeline.evaluate.probes.settings import KnnConfig, LinearConfig, LogisticConfig
from pipeline.graph.fingerprints import Graph
from pipeline.graph.local_executor import threads_of_stage
from pipeline.graph.node import Node
from pipeline.graph.node_facts import backbone_of, images_of, on_processor, prepared_images

_BY_JITTOR = (
    "initialize", "pretrain", "features", LINEAR_AUGMENTED, "finetune", "dense_probe", "segment", "detect",
    "views",
)  # fmt: skip
_OF_IMAGES = (*_BY_JITTOR, "pixels", "position", "duplicates", "knn", "linear", "logistic", FEW_SHOT)


class Forecasts:
    """Expected times of nodes; query them in the order of the run, as the first of a kind also compiles.

    Args:
        graph: the graph, whose results folder may hold prepared data.
        rate: function from a number of threads to floating-point operations per second in matrix products;
            called only if a forecast needs it.
        compiled: whether Jittor's core is compiled, and whether the operators are; None: check the cache.
        at_once: how many stages run at once, and share the cores.
    """

    def __init__(
        self,
        graph: Graph,
        rate: Callable[[int], float] = product_rate,
        compiled: tuple[bool, bool] | None = None,
        at_once: int = 1,
    ):
        self._graph, self._rate, self._at_once = graph, rate, at_once
        self._machines: dict[int, Machine] = {}
        core, operators = is_compiled() if compiled is None else compiled
        self._to_compile = set() if operators else set(forecast.COMPILE_SECONDS)
        if core:
            self._to_compile.discard("core")

    def seconds(self, node: Node) -> float | None:
        """Expected seconds of a node.

        None if there is no basis for a forecast: images that have not been counted yet, a GPU, or a stage
        that was never measured.
        """
        if node.stage == "curves":
            return forecast.CURVES_SECONDS
        if node.stage not in _BY_JITTOR:
            return self._own_seconds(node)
        seconds = self._own_seconds(node) if on_processor(node.runtime) else None
        return None if seconds is None else seconds + self._compile_seconds(node)

    def _own_seconds(self, node: Node) -> float | None:
        """Expected seconds of a node, without compilation."""
        match node.config:
            case DataConfig():
                return forecast.prepare_seconds(node.config)
            case InitializeConfig():
                return forecast.START_SECONDS
            case TablesConfig():
                return forecast.TABLES_SECONDS
            case ReportConfig():
                return forecast.REPORT_SECONDS
            case DenseProbeConfig():
                return self._dense_probe_seconds(node)
        images = images_of(self._graph, node)
        if images is None or node.stage not in _OF_IMAGES:
            return None
        machine = self._machine(node)
        match config := node.config:
            case DuplicatesConfig():
                return forecast.duplicates_seconds(config, images, machine)
            case PositionConfig():
                return forecast.position_seconds(images)
            case PixelsConfig():
                return forecast.pixels_seconds(config, images, machine)
            case KnnConfig():
                channels = _channels(node) if on_processor(node.runtime) else None
                return forecast.knn_seconds(channels, images, machine) if channels else None
            case FewShotConfig() if channels := _channels(node):
                return forecast.few_shot_seconds(config, channels, images, machine)
        backbone = backbone_of(node)
        if backbone is None:
            return None
        match config:
            case PretrainConfig() if is_counted(config):
                return forecast.pretrain_seconds(config, images, machine)
            case FeaturesConfig():
                return forecast.features_seconds(config, backbone, images, machine)
            case ViewsConfig():
                return forecast.views_seconds(config, backbone, images, machine)
            case LinearConfig():
                return forecast.linear_seconds(config, backbone, images, machine)
            case LinearAugmentedConfig():
                return forecast.linear_augmented_seconds(config, backbone, images, machine)
            case LogisticConfig():
                return forecast.logistic_seconds(config, backbone, images)
            case FinetuneConfig():
                return forecast.finetune_seconds(config, backbone, images, machine)
            case SegmentConfig():
                return forecast.segment_seconds(config, backbone, images, machine)
            case DetectConfig():
                return forecast.detect_seconds(config, backbone, images, machine)
        return None

    def _dense_probe_seconds(self, node: Node) -> float | None:
        read = {name: each for name, each in node.inputs.items() if name != "backbone"}
        counts = {name: prepared_images(self._graph, each) for name, each in read.items()}
        backbone = backbone_of(node)
        if None in counts.values() or backbone is None:
            return None
        num_images, most = 0, node.config.max_train_images
        if "segmentation" in counts:
            images = counts["segmentation"]
            num_images += min(images.train, most) + min(images.val, most) + images.test
        if "detection" in counts:
            num_images += counts["detection"].test
        return forecast.dense_probe_seconds(node.config, backbone, num_images, self._machine(node))

    def _compile_seconds(self, node: Node) -> float:
        """Seconds to compile what this node is the first to need."""
        kind = f"segment-{node.config.head}" if node.stage == "segment" else node.stage
        needed = {"core", kind} & self._to_compile
        self._to_compile -= needed
        return sum(forecast.COMPILE_SECONDS[what] for what in needed)

    def _machine(self, node: Node) -> Machine:
        threads = threads_of_stage(node.runtime.threads, self._at_once)
        if threads not in self._machines:
            self._machines[threads] = Machine(self._rate(threads), threads)
        return self._machines[threads]


def _channels(probe: Node) -> int | None:
    """Numbers per image that a probe reads, of a base or of pixels; None: the base is not known yet."""
    features = probe.inputs["features"]
    if features.stage == "pixels":
        return (features.inputs["data"].config.channels or 3) * features.config.side**2
    backbone = backbone_of(features)
    return None if backbone is None else backbone.dim
