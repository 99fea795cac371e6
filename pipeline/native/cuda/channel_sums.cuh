// Sums over the images and the places of maps, for functions that add them beside other work.
#pragma once

#include "scratch.cuh"

namespace hssl {

// sums (channels) of x (images, channels, places).
void channel_sums(long images, long channels, long places, const float* x, float* sums, Scratch& scratch);

}  // namespace hssl
