// The precision that products are computed with from now on.
#include "precision.cuh"

#include "kernels.h"

namespace {

hssl::Precision chosen = hssl::Precision::float32;

}  // namespace

namespace hssl {

Precision precision() { return chosen; }

}  // namespace hssl

void hssl_device_set_precision(int precision) { chosen = static_cast<hssl::Precision>(precision); }
