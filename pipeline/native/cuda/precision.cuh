// How exactly products are computed; everything else is float32.
#pragma once

#include "device.cuh"

namespace hssl {

enum class Precision : int { float32 = 0, tf32 = 1, bfloat16 = 2 };

// What `hssl_device_set_precision` chose last. With bfloat16, activations kept between passes are bfloat16 too.
Precision precision();

// Calls `run` with a number of the type that products multiply now, and that is kept.
template <class F>
void with_factor(F run) {
    if (precision() == Precision::bfloat16)
        run(bf16{});
    else
        run(float{});
}

}  // namespace hssl
