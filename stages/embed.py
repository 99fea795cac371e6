"""`doit run embed arm=hssl data=FOLDER`: vectors of any images, by an experiment's frozen backbone."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.datasets.source import Source
from pipeline.graph.experiment_graph import read_argument
from pipeline.graph.finished import Arm, Finished
from pipeline.graph.stage_runner import is_refusal
from pipeline.inference.crops import View
from pipeline.inference.embedding import Embedding, embed, finished_images, unusable
from pipeline.inference.images import Decoding, images_digest, open_images
from pipeline.inference.options import UsageError, choice, existing, read_options
from pipeline.inference.vector_files import WRITERS, pyarrow
from pipeline.storage.files import sha256_of_file, write_csv, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
_OPTIONS = ("arm", "data", "format", "experiment", "seed", "out", "patches")
_USAGE = (
    "usage: doit run embed arm=hssl data=FOLDER [experiment=quickstart] [seed=0] "
    "[format=npz|csv|parquet] [patches=yes] [out=FILE]"
)


def main(arguments: list[str]) -> int:
    """Write the vectors; return the exit code."""
    try:
        options = read_options(arguments, known=_OPTIONS, needed=("arm", "data"), usage=_USAGE)
        _run(options)
    except Exception as error:
        if not is_refusal(error):
            raise
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def _run(options: dict[str, str]) -> None:
    form = choice(options, "format", tuple(WRITERS), "npz")
    with_patches = choice(options, "patches", ("yes", "no"), "no") == "yes"
    if with_patches and form == "csv":
        raise UsageError("patches=yes: a .csv holds no patch tokens; take format=npz or format=parquet")
    data = existing(options, "data")
    target = Path(options.get("out") or f"{Path(data).resolve().name}-{options['arm']}.{form}").expanduser()
    if target.exists():
        raise UsageError(f"{target} is there already; name another file by out=")
    if form == "parquet":
        pyarrow(target)
    named = options.get("experiment", "quickstart")
    _, experiment = read_argument(named, Path.cwd())
    finished = Finished(named, experiment, RESULTS)
    seed = finished.seed(options.get("seed"))
    arm = finished.arm(options["arm"], seed)
    decoding = Decoding.of_prepared(arm.prepared)
    source = open_images(data, decoding.max_pixels)
    folder = target.with_name(f"{target.name}.parts")
    images = images_digest(source, data, folder / "listing.json")
    print(f"{len(source)} images, backbone {arm.backbone}")
    from pipeline.runtime.start_jittor import start

    start(experiment.runtime.device, experiment.runtime.threads, say=lambda text: print(text, flush=True))
    embedding, about = opened(arm, source, decoding, images, experiment.runtime, with_patches)
    num_done = finished_images(embedding, folder)
    if num_done:
        print(f"goes on after {num_done} images, from {folder}")
    with tqdm(desc="embed", unit="image", total=len(source), initial=0, dynamic_ncols=True) as bar:
        parts = embed(embedding, folder, _shown_in(bar))
    bad = [("path", "reason"), *unusable(parts)]
    quarantine = target.with_name(f"{target.name}.quarantine.csv")
    write_csv(quarantine, bad)
    num_bad = len(bad) - 1
    if num_bad == len(source):
        raise ValueError(f"data={data}: none of {num_bad} images can be decoded; see {quarantine}")
    about |= {"experiment": experiment.name, "arm": options["arm"], "seed": seed, "data": data}
    about |= {"num_images": len(source) - num_bad, "num_quarantined": num_bad}
    write_json(target.with_name(f"{target.name}.json"), about)
    print(f"joining {len(parts)} part(s)")
    WRITERS[form](target, parts)
    shutil.rmtree(folder)
    print(f"wrote {target}: {len(source) - num_bad} images; what the vectors are: {target.name}.json")
    if num_bad:
        print(f"{num_bad} images cannot be decoded; why: {quarantine}")


def opened(
    arm: Arm, source: Source, decoding: Decoding, images: str, runtime, with_patches: bool
) -> tuple[Embedding, dict]:
    """The network on the images, and what is to be known of its vectors."""
    import jittor as jt

    from pipeline import kernels
    from pipeline.models.backbone_file import load_backbone

    kernels.use(runtime.kernels)
    frozen, config = load_backbone(arm.backbone), arm.config

    def forward(crops: np.ndarray) -> dict[str, np.ndarray]:
        with jt.no_grad():
            batch = jt.array(crops)
            cls, patch_mean = frozen.features(batch, 1)
            found = {"cls": cls.numpy()[:, 0], "patch_mean": patch_mean.numpy()}
            if with_patches:
                found["patches"] = frozen.network(batch).patches.numpy()
        return found

    dim, side = frozen.config.dim, config.crop_size // frozen.network.stride
    shape = [side, side, dim]
    about = {
        "backbone_sha256": sha256_of_file(arm.backbone),
        "weights": frozen.weights,
        "embed_dim": dim,
        "resize": config.resize,
        "crop_size": config.crop_size,
        "mean": frozen.mean.tolist(),
        "std": frozen.std.tolist(),
        "patches": shape if with_patches else None,  # rows, columns, channels; row by row in the file
    }
    identity = about | {
        "images": images,
        "num_images": len(source),
        "batch_size": config.batch_size,
        "reduced": decoding.reduced,
        "max_pixels": decoding.max_pixels,
        "grey_range": decoding.grey_range and list(decoding.grey_range),
    }
    embedding = Embedding(
        source,
        decoding,
        View(config.resize, config.crop_size, frozen.mean, frozen.std),
        forward,
        identity,
        config.batch_size,
        row_bytes=4 * dim * (2 + (side * side if with_patches else 0)),
        num_threads=runtime.num_threads,
    )
    return embedding, about


def _shown_in(bar: tqdm) -> Callable[[int, int], None]:
    num_bad = 0

    def progress(num_images: int, num_unusable: int) -> None:
        nonlocal num_bad
        num_bad += num_unusable
        if num_bad:
            bar.set_postfix_str(f"{num_bad} cannot be decoded", refresh=False)
        bar.update(num_images)

    return progress


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
