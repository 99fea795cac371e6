"""MoCo v3, SimCLR, BYOL and MAE in PyTorch float64, from their formulas, with ViT base and ConvNeXt head.

Parameters are dicts with the project's names; views are computed one by one.
"""

import torch
import torch.nn.functional as F

from tests.oracles import torch_hssl as hssl


def mlp(p, name, x, last_norm):
    """Linear, batch norm, ReLU, ..., linear, and a batch norm without gain at the end if there is one."""
    index = 0
    while f"{name}.hidden.{index}.weight" in p:
        layer = f"{name}.hidden.{index}"
        gain, shift = p[f"{layer}.norm.weight"], p[f"{layer}.norm.bias"]
        x = F.relu(F.batch_norm(F.linear(x, p[f"{layer}.weight"]), None, None, gain, shift, training=True))
        index += 1
    x = F.linear(x, p[f"{name}.last.weight"])
    return F.batch_norm(x, None, None, training=True) if last_norm else x


def embedded(p, config, crops, part, predict, last_norm):
    """Unit vectors of `part` ("base" or "auxiliary") of one view."""
    tokens = hssl.encode(p, config, crops)
    x = mlp(p, f"{part}_projector", tokens[0] if part == "base" else tokens[2], last_norm)
    if predict:
        x = mlp(p, f"{part}_predictor", x, last_norm)
    return F.normalize(x, dim=-1)


def momentum_loss(student, teacher, config, batch):
    """MoCo v3 and BYOL: {"total", "base_cls", "auxiliary_cls"}."""
    moco = config.method.name == "mocov3"
    teaching = "auxiliary" if config.auxiliary_head else "base"
    keys = [embedded(teacher, config, crops, teaching, False, moco) for crops in batch.global_crops]
    terms = {}
    for part in ("base", "auxiliary") if config.auxiliary_head else ("base",):
        queries = [embedded(student, config, crops, part, True, moco) for crops in batch.global_crops]
        loss = 0.0
        for q, k in ((queries[0], keys[1]), (queries[1], keys[0])):
            if moco:
                temperature = config.method.temperature
                loss = loss + 2 * temperature * F.cross_entropy(q @ k.T / temperature, torch.arange(len(q)))
            else:
                loss = loss + ((q - k) ** 2).sum(dim=1).mean()
        terms[f"{part}_cls"] = loss
    return terms | {"total": sum(terms.values()) / len(terms)}


def contrast(queries, keys, temperature):
    """NT-Xent of rows of two views."""
    size = len(queries) // 2
    scores = queries @ keys.T / temperature
    scores = scores.masked_fill(torch.eye(len(queries), dtype=torch.bool), -torch.inf)
    return F.cross_entropy(scores, torch.cat([torch.arange(size, 2 * size), torch.arange(size)]))


def simclr_loss(student, config, batch):
    temperature = config.method.temperature
    base = torch.cat([embedded(student, config, c, "base", False, False) for c in batch.global_crops])
    if not config.auxiliary_head:
        loss = contrast(base, base, temperature)
        return {"base_cls": loss, "total": loss}
    head = torch.cat([embedded(student, config, c, "auxiliary", False, False) for c in batch.global_crops])
    terms = {
        "base_cls": contrast(base, head.detach(), temperature),
        "auxiliary_cls": contrast(head, head, temperature),
    }
    return terms | {"total": sum(terms.values()) / 2}


def blocks(p, name, x, depth, heads):
    for index in range(depth):
        block = f"{name}.{index}"
        x = x + hssl.attention(
            p, f"{block}.attention", hssl.layer_norm(p, f"{block}.norm_attention", x, 1e-6), heads
        )
        x = x + hssl.mlp(p, f"{block}.mlp", hssl.layer_norm(p, f"{block}.norm_mlp", x, 1e-6))
    return x


def head_map(p, config, feature_map):
    """(h, w, D) -> (h, w, D), the ConvNeXt head's blocks."""
    y = feature_map.permute(2, 0, 1)[None]
    for index in range(config.auxiliary_head.depth):
        name = f"auxiliary_head.blocks.{index}"
        kernel = p[f"{name}.conv.weight"].permute(2, 0, 1).unsqueeze(1)
        z = F.conv2d(y, kernel, p[f"{name}.conv.bias"], padding=kernel.shape[-1] // 2, groups=y.shape[1])
        z = hssl.mlp(p, f"{name}.mlp", hssl.layer_norm(p, f"{name}.norm", z.permute(0, 2, 3, 1), 1e-5))
        y = z.permute(0, 3, 1, 2) + (y if index > 0 else 0)
    return y[0].permute(1, 2, 0)


def embed_patches(p, config, image):
    """One image (3, H, W) -> patch embeddings with positions (N, D), and pixels (N, 3 s s)."""
    size = config.backbone.patch_size
    grid = image.shape[1] // size
    pixels = image.unfold(1, size, size).unfold(2, size, size).permute(1, 2, 0, 3, 4)
    pixels = pixels.reshape(grid * grid, -1)
    return hssl.linear(p, "backbone.patch_embed", pixels) + p["backbone.pos_embed"][1:], pixels


def mae_loss(student, teacher, config, batch):
    """One image after the other: {"total", "pixels", "features", "auxiliary_pixels"}."""
    method, backbone = config.method, config.backbone
    errors = {"pixels": [], "features": [], "auxiliary_pixels": []}
    for image, mask in zip(batch.global_crops.flatten(0, 1), batch.masks.flatten(0, 1), strict=True):
        hidden = mask.flatten()
        patches, pixels = embed_patches(student, config, image)
        cls = student["backbone.cls_token"] + student["backbone.pos_embed"][:1]
        x = torch.cat([cls, patches[~hidden]])[None]
        x = blocks(student, "backbone.blocks", x, backbone.depth, backbone.num_heads)[0]
        out = hssl.linear(student, "decoder.embed", hssl.layer_norm(student, "backbone.norm", x, 1e-6))
        full = student["decoder.mask_token"].expand(len(hidden), -1).clone()
        full[~hidden] = out[1:]
        full = torch.cat([out[:1], full]) + student["decoder.pos_embed"]
        full = blocks(student, "decoder.blocks", full[None], method.decoder_depth, method.decoder_heads)[0]
        full = hssl.layer_norm(student, "decoder.norm", full[1:][hidden], 1e-6)
        target = pixels[hidden]
        if method.normalize_pixels:
            mean, variance = target.mean(dim=1, keepdim=True), target.var(dim=1, keepdim=True)
            target = (target - mean) / (variance + 1e-6).sqrt()
        errors["pixels"].append((hssl.linear(student, "decoder.pixels", full) - target) ** 2)
        if not config.auxiliary_head:
            continue
        taught, _ = embed_patches(teacher, config, image)
        cls = teacher["backbone.cls_token"] + teacher["backbone.pos_embed"][:1]
        taught = torch.cat([cls, taught])[None]
        taught = blocks(teacher, "backbone.blocks", taught, backbone.depth, backbone.num_heads)[0, 1:]
        taught = head_map(teacher, config, taught.reshape(*mask.shape, -1)).flatten(0, 1)[hidden].detach()
        taught = F.layer_norm(taught, taught.shape[-1:], eps=1e-6)
        errors["features"].append((hssl.linear(student, "decoder.features", full) - taught) ** 2)
        own = student["auxiliary_token"].expand(len(hidden), -1).clone()
        own[~hidden] = x[1:]
        own = head_map(student, config, own.reshape(*mask.shape, -1)).flatten(0, 1)[hidden]
        own = hssl.linear(
            student, "auxiliary_pixels", hssl.layer_norm(student, "auxiliary_head.norm", own, 1e-6)
        )
        errors["auxiliary_pixels"].append((own - target) ** 2)
    terms = {name: torch.cat(values).mean() for name, values in errors.items() if values}
    total = terms["pixels"]
    if config.auxiliary_head:
        total = total + method.auxiliary_weight * (terms["features"] + terms["auxiliary_pixels"]) / 2
    return terms | {"total": total}


def losses(student, teacher, config, batch):
    """Loss terms of any of the methods."""
    if config.method.name == "mae":
        return mae_loss(student, teacher, config, batch)
    if config.method.name == "simclr":
        return simclr_loss(student, config, batch)
    return momentum_loss(student, teacher, config, batch)
