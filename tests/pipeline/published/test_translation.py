"""The published command means the published recipe; every flag sets the key that its page says."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline.config.reading import ConfigError, read_experiment
from pipeline.published.flags import FLAGS, published_parser
from pipeline.published.translation import FlagError, nested, toml_text, translated

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "command-line.md").read_text(encoding="utf-8")
# As published for ViT-B/16 on ImageNet-1K, with folders of a test.
PUBLISHED = """--arch vit_base --auxiliary_depth 3 --output_dir O --data_path IMAGENET --teacher_temp 0.07
    --teacher_patch_temp 0.07 --warmup_teacher_temp 0.04 --warmup_teacher_patch_temp 0.04
    --warmup_teacher_temp_epochs 50 --norm_last_layer true --warmup_epochs 10 --epochs 100 --lr 0.00075
    --min_lr 2e-6 --weight_decay 0.04 --weight_decay_end 0.4 --shared_head true --shared_head_teacher true
    --out_dim 8192 --patch_out_dim 8192 --global_crops_scale 0.14 1 --pred_ratio 0 0.3 --pred_ratio_var 0 0.2
    --pred_shape block --batch_size 256 --num_workers 6 --saveckp_freq 10 --freeze_last_layer 3
    --accum_iter 1 --clip_grad 0.3"""
DEVIATIONS = {
    "name": "of the folder",
    "data.source": "of the command",
    "data.val_share": "published: all of train is trained on; the preset holds 1 % out for its probes",
    "data.test_share": "the same, where the folder has no validation part",
    "schedule.export_every_epochs": "--saveckp_freq: files that are kept, no number of the training",
    "runtime.loader_threads": "--num_workers: speed only",
}
# A value that differs from the default, and other flags that it needs.
OTHER = {
    "arch": "vit_tiny", "patch_size": "32", "auxiliary_depth": "2", "window_size": "4 --arch swin_tiny",
    "out_dim": "64", "patch_out_dim": "64 --shared_head_teacher false", "shared_head": "true",
    "shared_head_teacher": "false", "norm_last_layer": "false", "momentum_teacher": "0.99",
    "norm_in_head": "bn", "act_in_head": "relu", "use_masked_im_modeling": "false", "pred_ratio": "0.2",
    "pred_ratio_var": "0.1", "pred_shape": "rand", "pred_start_epoch": "3", "lambda1": "2", "lambda2": "0.5",
    "warmup_teacher_temp": "0.03", "teacher_temp": "0.05", "warmup_teacher_patch_temp": "0.05",
    "teacher_patch_temp": "0.06", "warmup_teacher_temp_epochs": "20", "weight_decay": "0.1",
    "weight_decay_end": "0.2", "clip_grad": "0", "batch_size": "64", "epochs": "50", "freeze_last_layer": "0",
    "lr": "0.001", "warmup_epochs": "5", "min_lr": "0", "optimizer": "lars", "load_from": "c.safetensors",
    "drop_path": "0.2", "accum_iter": "2", "global_crops_number": "3", "global_crops_scale": "0.4 1",
    "local_crops_number": "8", "local_crops_scale": "0.05 0.14", "data_path": "elsewhere",
    "output_dir": "O/P", "saveckp_freq": "5", "seed": "7", "num_workers": "3",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    for name in ("IMAGENET", "elsewhere", "O"):
        (tmp_path / name).mkdir()
    save_file({"x": np.zeros(1)}, tmp_path / "O" / "c.safetensors")
    (tmp_path / "O" / "c.pth").write_bytes(b"pickle")
    return tmp_path


def translation_of(folder, words):
    return translated(published_parser().parse_args(shlex.split(words)), working_directory=folder)


def resolved(folder, words):
    """Through the file, as `doit` reads it."""
    file = folder / "experiment.toml"
    file.write_text(toml_text(translation_of(folder, words)), encoding="utf-8")
    return read_experiment(str(file))


def flat(values, prefix=""):
    found = {}
    for key, value in values.items():
        inside = flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
        found |= inside
    return found


def test_the_published_command_is_the_preset(folder):
    found = flat(resolved(folder, PUBLISHED).model_dump())
    preset = flat(read_experiment("imagenet-vit-base").model_dump())
    assert found.keys() == preset.keys()
    assert {key for key in found if found[key] != preset[key]} == DEVIATIONS.keys()
    assert found["data.source"] == str(folder / "IMAGENET")
    assert translation_of(folder, PUBLISHED).notes == []


@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.keys], ids=lambda flag: flag.name)
def test_every_flag_changes_its_keys(folder, flag):
    others = {"data_path": "", "output_dir": "--data_path IMAGENET"}.get(
        flag.name, "--data_path IMAGENET --output_dir O"
    )
    before = {"window_size": "--arch swin_tiny", "patch_out_dim": "--shared_head_teacher false"}
    start = others if flag.name != "data_path" else "--data_path IMAGENET --output_dir O"
    if flag.name == "data_path":
        others = "--output_dir O"
    plain = flat(resolved(folder, f"{start} {before.get(flag.name, '')}").model_dump())
    value = OTHER[flag.name]
    changed = flat(resolved(folder, f"{others} --{flag.name} {value}").model_dump())
    for key in flag.keys:
        if key == "backbone.kind":
            assert plain[key] == changed[key] == "vit"  # vit_small -> vit_tiny; other kinds below
        else:
            assert plain.get(key) != changed[key], key
    follow = {  # what follows from a key by the rules of the configuration
        "arch": {"backbone.embed_dim", "backbone.num_heads"},
        "load_from": {"arms", "baseline", "start", "start.sha256"},
        "accum_iter": {"schedule.batch_size"},
        "shared_head_teacher": {"projection_head.num_patch_prototypes"},
    }.get(flag.name, set())
    differing = {key for key in plain.keys() | changed.keys() if plain.get(key) != changed.get(key)}
    assert differing <= {*flag.keys, *follow}


def test_every_flag_has_a_value_to_be_tested_with():
    assert OTHER.keys() == {flag.name for flag in FLAGS if flag.keys}


def test_defaults_are_the_released_ones_and_run_here(folder):
    """The released command dies at its own default, --shared_head false."""
    found = resolved(folder, "--data_path IMAGENET --output_dir O")
    assert (found.backbone.size, found.schedule.batch_size, found.schedule.base_lr) == ("small", 128, 5e-4)
    assert (found.projection_head.shared, found.projection_head.teacher_shared) == (False, True)
    assert (found.masks.ratios, found.masks.ratio_variations) == ((0.3,), (0.0,))
    assert found.schedule.max_gradient_norm == 3.0
    assert found.objective.teacher_temperature == 0.04
    assert found.objective.patch_temperature == 0.07
    assert found.features.num_blocks == 4


@pytest.mark.parametrize(
    ("arch", "kind", "size", "patch_size"),
    [("vit_large", "vit", "large", 16), ("deit_small", "vit", "small", 16), ("swin_tiny", "swin", "tiny", 4),
     ("convnext_tiny", "convnext", "tiny", 4), ("resnet_50", "resnet", "50", 4)],
)  # fmt: skip
def test_architectures(folder, arch, kind, size, patch_size):
    base = resolved(folder, f"--data_path IMAGENET --output_dir O --arch {arch}").backbone
    assert (base.kind, base.size, base.patch_size) == (kind, size, patch_size)


def test_accumulation_multiplies_the_batch_as_published(folder):
    found = resolved(folder, "--data_path IMAGENET --batch_size 32 --accum_iter 4 --lr 0.001").schedule
    assert (found.batch_size, found.accumulation_steps, found.peak_lr) == (128, 4, 0.001 * 128 / 256)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "--data_path: required"),
        ("--data_path nowhere", "--data_path: no such folder or file: .*nowhere"),
        ("--data_path IMAGENET --batch_size 0", "--batch_size: .*greater than 0"),
        ("--data_path IMAGENET --patch_size 13", "--patch_size: .*not divisible"),
        ("--data_path IMAGENET --global_crops_number 1", "--global_crops_number: .*2"),
        ("--data_path IMAGENET --global_crops_scale 1 0.4", "--global_crops_scale: global_scale must be"),
        ("--data_path IMAGENET --global_crops_scale 0.4", "--global_crops_scale: "),
        ("--data_path IMAGENET --pred_ratio 0.1 0.2 --pred_ratio_var 0 0 0", "--pred_ratio, --pred"),
        ("--data_path IMAGENET --pred_ratio 0.1 --pred_ratio_var 0.2", "leaves"),
        ("--data_path IMAGENET --patch_out_dim 64", "--patch_out_dim: 64 beside --out_dim 8192"),
        ("--data_path IMAGENET --norm_in_head bn --accum_iter 2", "--norm_in_head, --accum_iter: "),
        ("--data_path IMAGENET --output_dir O --load_from none.safetensors", "--load_from: no such file"),
        ("--data_path IMAGENET --output_dir O --load_from c.pth", "--load_from: .*pickled"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named(folder, words, message):
    with pytest.raises(FlagError, match=message):
        translation_of(folder, words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--bach_size 8", "unrecognized arguments: --bach_size"),
        ("--batch 8", "unrecognized arguments: --batch"),
        ("--batch_size many", "argument --batch_size: invalid int value: 'many'"),
        ("--shared_head maybe", "argument --shared_head: expected true or false, got 'maybe'"),
        ("--optimizer adam", "argument --optimizer: invalid choice: 'adam'"),
        ("--arch vit_huge", "argument --arch: invalid choice: 'vit_huge'"),
    ],
)
def test_what_is_no_flag_or_value_is_named(capsys, words, message):
    with pytest.raises(SystemExit) as end:
        published_parser().parse_args(words.split())
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", True), ("off", False)])
def test_published_spellings_of_switches(text, value):
    assert published_parser().parse_args(["--shared_head", text]).shared_head is value


def test_flags_without_effect_are_said_once(folder):
    words = "--data_path IMAGENET --dist_url env:// --local_rank 0 --window_size 7 --shared_head true"
    notes = translation_of(folder, f"{words} --shared_head_teacher false").notes
    assert [note.split(":")[0] for note in notes] == [
        "--dist_url", "--local_rank", "--window_size", "--shared_head_teacher false",
    ]  # fmt: skip
    assert translation_of(folder, "--data_path IMAGENET").notes == []


def test_a_checkpoint_that_changed_or_went_is_an_error(folder):
    words = "--data_path IMAGENET --output_dir O --load_from c.safetensors"
    assert resolved(folder, words).start.checkpoint == str(folder / "O" / "c.safetensors")
    digest = resolved(folder, words).start.sha256
    save_file({"x": np.ones(1)}, folder / "O" / "c.safetensors")
    assert read_experiment(str(folder / "experiment.toml")).start.sha256 != digest
    (folder / "O" / "c.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"start.checkpoint: .*c.safetensors: No such file"):
        read_experiment(str(folder / "experiment.toml"))


def test_two_folders_of_one_name_are_two_experiments(folder):
    names = {
        translation_of(folder, f"--data_path IMAGENET --output_dir {o}").name for o in ("O", "elsewhere/O")
    }
    assert len(names) == 2
    assert all(name.startswith("O-") for name in names)
    odd = translation_of(folder, "--data_path IMAGENET --output_dir 'ä ö/--x: #1'")
    assert tomllib.loads(toml_text(odd)) == nested(odd.values)


def test_the_page_lists_every_flag_with_its_keys():
    rows = {}
    for name, keys in re.findall(r"^\| `--(\w+)` \|[^|]*\| ([^|]*) \|$", PAGE, re.MULTILINE):
        assert name not in rows
        rows[name] = tuple(re.findall(r"`([\w.]+)`", keys))
    assert rows == {flag.name: flag.keys for flag in FLAGS}
