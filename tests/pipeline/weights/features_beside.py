"""Compares features of a network built by another library with those of the base read from its file."""

import numpy as np
import torch

from pipeline.weights.foreign import read_foreign

TOLERANCE = 1e-4


def recorded(network, modules, images, **options):
    """The outputs of the modules, one after another."""
    found = []
    hooks = [module.register_forward_hook(lambda *parts: found.append(parts[2])) for module in modules]
    network(images, **options)
    for hook in hooks:
        hook.remove()
    return [each[0] if isinstance(each, tuple) else each for each in found]


def difference_of_tokens(jt, ours, blocks, images):
    """Difference of CLS and patches (B, 1 + N, D), normed, after each of three blocks."""
    cls = ours.features(jt.array(images), 3)[0].numpy()
    taps = [x.numpy() for x in ours.taps(jt.array(images), normed=True)[1:]]
    largest = 0.0
    for index, wanted in enumerate(each.numpy() for each in blocks):
        patches = taps[index].reshape(len(taps[index]), -1, taps[index].shape[3])
        mine = np.concatenate([cls[:, index : index + 1], patches], axis=1)
        assert np.abs(wanted).max() > 1
        largest = max(largest, np.abs(mine - wanted).max())
    return largest


def difference_of_stages(jt, ours, expected, images):
    """Difference of maps (B, C, h, w) after each stage, not normed, and of the pooled vector (the last).

    Relative to the largest number, if that is above 1.
    """
    mine = [x.numpy().transpose(0, 3, 1, 2) for x in ours.taps(jt.array(images), normed=False)]
    mine.append(ours(jt.array(images)).cls.numpy())
    largest = 0.0
    for found, wanted in zip(mine, (each.numpy() for each in expected), strict=True):
        size = np.abs(wanted).max()
        assert size > 0.5
        largest = max(largest, np.abs(found - wanted.reshape(found.shape)).max() / max(1, size))
    return largest


def held(jt, rng, config, compute, sizes, difference):
    from pipeline.models.foreign_backbone import foreign_backbone

    ours = foreign_backbone(read_foreign(config), "a file").network
    for size in sizes:
        images = rng.normal(size=(2, 3, size, size)).astype(np.float32)
        with torch.no_grad():
            expected = compute(torch.from_numpy(images))
        found = difference(jt, ours, expected, images)
        print(f"{size} px: {found:.1e}")
        assert found < TOLERANCE


def without_registers(tokens, number):
    """Tokens (B, T, D), CLS first, registers after it."""
    return torch.cat([tokens[:, :1], tokens[:, 1 + number :]], 1)


def channels_first(maps):
    return [x.permute(0, 3, 1, 2) for x in maps]
