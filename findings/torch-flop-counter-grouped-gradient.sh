#!/usr/bin/env bash
# torch 2.13.0 (Python 3.11).
#
# torch.utils.flop_counter.FlopCounterMode counts a grouped convolution rightly forward, and its gradient to the weight as
# if there were no groups: as many times too much as there are groups. Forward and backward of a network should be three
# times its forward pass. Of a 7 x 7 convolution of 96 channels the counter says 3.0 times without groups, 6.0 times with 4
# groups and 98.0 times where every channel is a group of its own. ConvNeXt's blocks, and all that is compared by such
# counts, look far more expensive to train than they are. The same with torch 2.14.1.
#
# Seen: groups 1: 3.0; groups 4: 6.0; groups 96: 98.0 (forward plus backward, over forward). By arithmetic: 3.0 each.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/env"
"$work/env/bin/pip" install --quiet torch==2.13.0 numpy==1.26.4
"$work/env/bin/python" - <<'PYTHON'
import torch
from torch.utils.flop_counter import FlopCounterMode

CHANNELS, SIDE, KERNEL, IMAGES = 96, 14, 7, 2


def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


found = {}
for groups in (1, 4, CHANNELS):
    layer = torch.nn.Conv2d(CHANNELS, CHANNELS, KERNEL, padding=KERNEL // 2, groups=groups, bias=False)
    images = torch.randn(IMAGES, CHANNELS, SIDE, SIDE, requires_grad=True)
    forward = counted(lambda: layer(images))
    both = counted(lambda: layer(images).sum().backward())
    by_arithmetic = 2 * IMAGES * CHANNELS * SIDE**2 * (CHANNELS // groups) * KERNEL**2
    assert forward == by_arithmetic, (forward, by_arithmetic)
    found[groups] = both / forward
    print(f"groups {groups}: forward plus backward is {found[groups]:.1f} times forward; by arithmetic 3.0")
assert found == {1: 3.0, 4: 6.0, CHANNELS: 98.0}, found
PYTHON
