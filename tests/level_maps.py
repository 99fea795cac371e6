"""Levels of a feature pyramid as maps (B, C, h, w), and from them; with gradients."""


def levels_of(maps):
    """Levels from maps (B, C, h, w), fine to coarse."""
    import jittor as jt

    from pipeline.detection.levels import Levels

    rows = [x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) for x in maps]
    return Levels(jt.concat(rows, dim=0), maps[0].shape[0], tuple(tuple(x.shape[2:]) for x in maps))


def maps_of(levels):
    """(B, C, h, w) of each level."""
    maps, start = [], 0
    for height, width in levels.sizes:
        end = start + levels.batch * height * width
        maps.append(levels.table[start:end].reshape(levels.batch, height, width, -1).permute(0, 3, 1, 2))
        start = end
    return maps
