"""HSSL in PyTorch float64, written from the method's formulas, as plainly as they stand.

Nothing is saved here that the project saves: every token is projected to logits, attention maps are
built, the patch centre is the mean of all logits. Parameters are a dict with the project's names.
"""

import torch
import torch.nn.functional as F


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


def project(p, config, name, x):
    """Tokens (..., D) -> prototype logits (..., K)."""
    for index in range(config.projection_head.num_layers - 1):
        x = F.gelu(linear(p, f"projection_head.{name}.hidden.{index}", x))
    x = F.normalize(linear(p, f"projection_head.{name}.bottleneck", x), dim=-1)
    return x @ F.normalize(p["projection_head.prototypes"], dim=-1).T


def cross_entropy(target, logits, temperature):
    return -(target * torch.log_softmax(logits / temperature, dim=-1)).sum(dim=-1)


def losses(student, teacher, config, batch, centers, temperatures, paths):
    """Every loss term, and the teacher's mean logits for the centres.

    batch: global_crops (V,B,3,S,S), local_crops (L,B,...), masks (V,B,h,w); temperatures: (cls, patch).
    """
    objective, teaching = config.objective, "auxiliary" if config.auxiliary_head else "base"
    seen, taught = [], []
    for view, crops in enumerate(batch.global_crops):
        scales = {
            key: value[:, :, view] if key == "base" else value[:, view]
            for key, value in paths["global"].items()
        }
        seen.append(encode(student, config, crops, batch.masks[view], scales["base"], scales["auxiliary"]))
        taught.append(encode(teacher, config, crops))
    for view, crops in enumerate(batch.local_crops):
        scales = {
            key: value[:, :, view] if key == "base" else value[:, view]
            for key, value in paths["local"].items()
        }
        seen.append(encode(student, config, crops, None, scales["base"], scales["auxiliary"]))
    teacher_cls = [
        project(teacher, config, teaching, t[2] if teaching == "auxiliary" else t[0]) for t in taught
    ]
    teacher_patches = [project(teacher, config, "base", t[1]) for t in taught]
    terms = {"base_cls": [], "auxiliary_cls": [], "base_patch": []}
    for q, logits in enumerate(teacher_cls):
        target = torch.softmax((logits - centers["cls"]) / temperatures[0], dim=-1)
        for v, tokens in enumerate(seen):
            if v == q:
                continue
            student_temperature = objective.student_temperature
            terms["base_cls"].append(
                cross_entropy(target, project(student, config, "base", tokens[0]), student_temperature).mean()
            )
            if config.auxiliary_head:
                own = project(student, config, "auxiliary", tokens[2])
                terms["auxiliary_cls"].append(cross_entropy(target, own, student_temperature).mean())
    for q, logits in enumerate(teacher_patches):
        target = torch.softmax((logits - centers["patch"]) / temperatures[1], dim=-1)
        each = cross_entropy(
            target, project(student, config, "base", seen[q][1]), objective.student_temperature
        )
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
