"""Levels of a feature pyramid as maps (B, C, h, w), and from them; with gradients."""

from pipeline.detection.levels import Levels, starts_of


def levels_of(maps):
    """Levels from maps (B, C, h, w), fine to coarse."""
    import jittor as jt

    rows = [x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) for x in maps]
    return Levels(jt.concat(rows, dim=0), maps[0].shape[0], tuple(tuple(x.shape[2:]) for x in maps))


def maps_of(levels):
    """(B, C, h, w) of each level."""
    maps = []
    for start, (height, width) in zip(starts_of(levels.batch, levels.sizes), levels.sizes, strict=True):
        rows = levels.table[int(start) : int(start) + levels.batch * height * width]
        maps.append(rows.reshape(levels.batch, height, width, -1).permute(0, 3, 1, 2))
    return maps
