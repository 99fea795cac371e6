"""The measured programs, by name. Each is loaded in its own process, so that Jittor and PyTorch never mix."""

import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Program:
    """A class that takes (parameters, folder) and has `repeat` and `check`, see `worker.LoadedProgram`."""

    path: str  # module:class
    framework: Literal["jittor", "torch"] | None = None  # to start first

    def load(self, parameters: dict, folder: Path) -> Any:
        """Start the framework with `parameters["threads"]` threads, and construct the class."""
        if self.framework == "jittor":
            from pipeline.runtime.start_jittor import start

            start(parameters.get("device", "cpu"), parameters["threads"], say=_say)
        elif self.framework == "torch":
            import torch

            torch.set_num_threads(parameters["threads"])
        return pkgutil.resolve_name(self.path)(parameters, folder)


def _say(message: str) -> None:
    print(message, flush=True)


PROGRAMS: dict[str, Program] = {
    "our-step": Program("benchmarks.our_step:OurStep", "jittor"),
    "torch-step": Program("benchmarks.torch_step:TorchStep", "torch"),
    "official-step": Program("benchmarks.official_step:OfficialStep", "jittor"),
    "our-search": Program("benchmarks.neighbour_search:OurSearch"),
    "sklearn-search": Program("benchmarks.neighbour_search:SklearnSearch"),
    "faiss-search": Program("benchmarks.neighbour_search:FaissSearch"),
    "card-search": Program("benchmarks.neighbour_search:CardSearch"),
    "faiss-card-search": Program("benchmarks.neighbour_search:FaissCardSearch"),
    "our-sweep": Program("benchmarks.learning_rate_sweep:OurSweep"),
    "disk-sweep": Program("benchmarks.learning_rate_sweep:DiskSweep"),
    "cold-sweep": Program("benchmarks.learning_rate_sweep:ColdSweep"),
    "sweep-by-rate": Program("benchmarks.learning_rate_sweep:SweepByRate"),
    "our-loading": Program("benchmarks.crop_loading:OurLoading"),
    "pillow-loading": Program("benchmarks.crop_loading:PillowLoading"),
    "torchvision-loading": Program("benchmarks.crop_loading:TorchvisionLoading"),
    "our-checking": Program("benchmarks.checking_files:OurChecking"),
    "pillow-decoding": Program("benchmarks.checking_files:PillowDecoding"),
    "torchvision-decoding": Program("benchmarks.checking_files:TorchvisionDecoding"),
    "preparing": Program("benchmarks.preparing_files:Preparing"),
    "coco-file": Program("benchmarks.large_files:CocoFile"),
    "shard-reading": Program("benchmarks.large_files:ShardReading"),
    "card-loading": Program("benchmarks.card_loading:CardLoading", "jittor"),
    "data-wait": Program("benchmarks.data_wait:DataWait", "jittor"),
    "monitor-cost": Program("benchmarks.monitor_cost:MonitorCost", "jittor"),
    "dense-step": Program("benchmarks.dense_step:DenseStep", "jittor"),
    "torch-segmentation-step": Program("benchmarks.torch_segmentation_step:TorchSegmentationStep", "torch"),
    "torch-detection-step": Program("benchmarks.torch_detection_step:TorchDetectionStep", "torch"),
    "rounded-losses": Program("benchmarks.rounded_losses:RoundedLosses", "jittor"),
    "memory-growth": Program("benchmarks.memory_growth:MemoryGrowth", "jittor"),
    "our-startup": Program("benchmarks.startup:Startup"),
    "torch-startup": Program("benchmarks.startup:TorchStartup"),
    "opened-set": Program("benchmarks.many_images:OpenedSet"),
    "whole-order": Program("benchmarks.many_images:WholeOrder"),
    "buffered-order": Program("benchmarks.many_images:BufferedOrder"),
    "shard-list": Program("benchmarks.many_images:ShardList"),
    "prepared-tables": Program("benchmarks.many_images:PreparedTables"),
    "reported-images": Program("benchmarks.reported_images:ReportedImages"),
    "disk-search": Program("benchmarks.disk_search:DiskSearch"),
    "faiss-disk-search": Program("benchmarks.disk_search:FaissDiskSearch"),
    "checkpoint-size": Program("benchmarks.checkpoint_size:CheckpointSize", "jittor"),
    "idle-graph": Program("benchmarks.idle_graph:IdleGraph"),
    "matmul-peak": Program("benchmarks.matmul_peak:MatmulPeak", "jittor"),
}
