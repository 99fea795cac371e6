"""HSSL in PyTorch float64, written directly from the method's formulas.

It does the work that the project saves: every token is projected to logits, attention maps are computed, the
patch centre is the mean of all logits. Parameters are a dict with the project's names.
"""

import torch
import torch.nn.functional as F

# Arrays are small, and threads that spin while waiting hold up Jittor's.
torch.set_num_threads(1)


def layer_norm(p, name, x, eps):
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps)


def linear(p, name, x):
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def mlp(p, name, x):
    return linear(p, f"{name}.contract", F.gelu(linear(p, f"{name}.expand", x)))


def attention(p, name, x, heads):
    batch, tokens, dim = x.shape
    q, k, v = (
        linear(p, f"{name}.qkv", x).reshape(batch, tokens, 3, heads, dim // heads).permute(2, 0, 3, 1, 4)
    )
    weights = torch.softmax(q @ k.transpose(-1, -2) / (dim // heads) ** 0.5, dim=-1)
    return linear(p, f"{name}.out", (weights @ v).transpose(1, 2).reshape(batch, tokens, dim))


def positions(table, old, new):
    if old == new:
        return table
    grid = table[1:].reshape(1, *old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=new, mode="bicubic", align_corners=False)
    return torch.cat([table[:1], grid.permute(0, 2, 3, 1).reshape(new[0] * new[1], -1)])


def encode(p, config, images, mask=None, base_paths=None, head_paths=None):
    """-> base CLS (B, D), base patches (B, N, D), auxiliary CLS (B, D) or None."""
    size, batch = config.backbone.patch_size, len(images)
    h, w = images.shape[2] // size, images.shape[3] // size
    pixels = images.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5)
    x = linear(p, "backbone.patch_embed", pixels.reshape(batch, h * w, -1))
    if mask is not None:
        x = torch.where(mask.reshape(batch, -1, 1), p["backbone.mask_token"][None], x)
    x = torch.cat([p["backbone.cls_token"][None].expand(batch, 1, -1), x], dim=1)
    old = (config.backbone.image_size // size,) * 2
    x = x + positions(p["backbone.pos_embed"], old, (h, w))[None]
    for index in range(config.backbone.depth):
        name = f"backbone.blocks.{index}"
        scale = (1.0, 1.0) if base_paths is None else base_paths[index][:, :, None, None]
        x = x + scale[0] * attention(
            p,
            f"{name}.attention",
            layer_norm(p, f"{name}.norm_attention", x, 1e-6),
            config.backbone.num_heads,
        )
        x = x + scale[1] * mlp(p, f"{name}.mlp", layer_norm(p, f"{name}.norm_mlp", x, 1e-6))
    out = layer_norm(p, "backbone.norm", x, 1e-6)
    auxiliary = None
    if config.auxiliary_head:
        y = x[:, 1:].transpose(1, 2).reshape(batch, -1, h, w)
        for index in range(config.auxiliary_head.depth):
            name = f"auxiliary_head.blocks.{index}"
            kernel = p[f"{name}.conv.weight"].permute(2, 0, 1).unsqueeze(1)
            z = F.conv2d(y, kernel, p[f"{name}.conv.bias"], padding=kernel.shape[-1] // 2, groups=y.shape[1])
            z = mlp(p, f"{name}.mlp", layer_norm(p, f"{name}.norm", z.permute(0, 2, 3, 1), 1e-5)).permute(
                0, 3, 1, 2
            )
            if index > 0 or config.auxiliary_head.first_shortcut:
                z = y + (z if head_paths is None else head_paths[index][:, None, None, None] * z)
            y = z
        auxiliary = layer_norm(p, "auxiliary_head.norm", y.mean(dim=(2, 3)), 1e-6)
    return out[:, 0], out[:, 1:], auxiliary


def vectors(p, config, name, x):
    """Rows (M, D) of one batch -> unit vectors (M, C)."""
    head = config.projection_head
    for index in range(head.num_layers - 1):
        layer = f"projection_head.{name}.hidden.{index}"
        x = linear(p, layer, x)
        if head.norm == "layer":
            x = layer_norm(p, f"{layer}.norm", x, 1e-5)
        elif head.norm == "batch":
            weight, bias = p[f"{layer}.norm.weight"], p[f"{layer}.norm.bias"]
            x = F.batch_norm(x, None, None, weight, bias, training=True, eps=1e-5)
        x = torch.relu(x) if head.activation == "relu" else F.gelu(x)
    return F.normalize(linear(p, f"projection_head.{name}.bottleneck", x), dim=-1)


def prototypes(p, prefix=""):
    """(K, C): of patches with the prefix "patch_", if this network has any."""
    if f"projection_head.{prefix}prototypes" not in p:
        prefix = ""
    units = F.normalize(p[f"projection_head.{prefix}prototypes"], dim=-1)
    return units * p.get(f"projection_head.{prefix}gain", 1.0)


def project(p, config, views):
    """Tokens of each view of one pass -> logits of each: base CLS, base patches, auxiliary CLS or None."""
    num_views, batch = len(views), len(views[0][0])
    cls = torch.cat([view[0] for view in views])
    patches = torch.cat([view[1] for view in views])
    both = vectors(p, config, "base", torch.cat([cls, patches.flatten(0, 1)]))
    base_cls = (both[: len(cls)] @ prototypes(p).T).split(batch)
    base_patches = (both[len(cls) :] @ prototypes(p, "patch_").T).reshape(*patches.shape[:2], -1).split(batch)
    auxiliary = [None] * num_views
    if config.auxiliary_head:
        pooled = torch.cat([view[2] for view in views])
        auxiliary = (vectors(p, config, "auxiliary", pooled) @ prototypes(p).T).split(batch)
    return list(zip(base_cls, base_patches, auxiliary, strict=True))


def cross_entropy(target, logits, temperature):
    return -(target * torch.log_softmax(logits / temperature, dim=-1)).sum(dim=-1)


def losses(student, teacher, config, batch, centers, temperatures, paths):
    """Every loss term, and the teacher's mean logits for the centres.

    batch: global_crops (V,B,3,S,S), local_crops (L,B,...), masks (V,B,h,w); temperatures: (cls, patch).
    """
    objective, teaching = config.objective, 2 if config.auxiliary_head else 0
    seen, seen_small, taught = [], [], []
    for view, crops in enumerate(batch.global_crops):
        scales = {
            key: value[:, :, view] if key == "base" else value[:, view]
            for key, value in paths["global"].items()
        }
        mask = batch.masks[view] if objective.patches_hidden else None
        seen.append(encode(student, config, crops, mask, scales["base"], scales["auxiliary"]))
        taught.append(encode(teacher, config, crops))
    for view, crops in enumerate(batch.local_crops):
        scales = {
            key: value[:, :, view] if key == "base" else value[:, view]
            for key, value in paths["local"].items()
        }
        seen_small.append(encode(student, config, crops, None, scales["base"], scales["auxiliary"]))
    answers = project(teacher, config, taught)
    teacher_cls = [answer[teaching] for answer in answers]
    teacher_patches = [answer[1] for answer in answers]
    own = project(student, config, seen) + (project(student, config, seen_small) if seen_small else [])
    terms = {"base_cls": [], "auxiliary_cls": [], "base_patch": []}
    for q, logits in enumerate(teacher_cls):
        target = torch.softmax((logits - centers["cls"]) / temperatures[0], dim=-1)
        for v, (base, _, auxiliary) in enumerate(own):
            if v == q:
                continue
            student_temperature = objective.student_temperature
            terms["base_cls"].append(cross_entropy(target, base, student_temperature).mean())
            if config.auxiliary_head:
                terms["auxiliary_cls"].append(cross_entropy(target, auxiliary, student_temperature).mean())
    for q, logits in enumerate(teacher_patches):
        target = torch.softmax((logits - centers["patch"]) / temperatures[1], dim=-1)
        each = cross_entropy(target, own[q][1], objective.student_temperature)
        mask = batch.masks[q].flatten(1).to(each.dtype)
        terms["base_patch"].append(((each * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)).mean())
    mean = {name: sum(values) / len(values) for name, values in terms.items() if values}
    cls = 0.5 * (mean["base_cls"] + mean["auxiliary_cls"]) if config.auxiliary_head else mean["base_cls"]
    mean["total"] = objective.cls_weight * cls + objective.patch_weight * mean["base_patch"]
    means = {
        "cls": torch.cat(teacher_cls).mean(dim=0).detach(),
        "patch": torch.cat(teacher_patches).flatten(0, 1).mean(dim=0).detach(),
    }
    return mean, means
