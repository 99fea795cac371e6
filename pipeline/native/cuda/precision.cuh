// How exactly products are computed; everything else is float32.
#pragma once

namespace hssl {

enum class Precision : int { float32 = 0, tf32 = 1, bfloat16 = 2 };

// What `hssl_device_set_precision` chose last. With bfloat16, activations kept between passes are bfloat16 too.
Precision precision();

}  // namespace hssl
