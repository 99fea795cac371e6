// Products of matrices, by cuBLASLt on a device.
#pragma once

#include "device.cuh"

namespace hssl {

// y (rows, columns) = left (rows, depth) right (depth, columns) + bias, dense and row-major. `left_turned`: left is
// stored as (depth, rows); `right_turned`: right as (columns, depth). bias (columns) is of the outputs' type, or null;
// with `add`, y is added to. Float factors are multiplied as `precision()` says (bfloat16 there: as float32).
template <class In, class Out>
void product(long rows, long columns, long depth, const In* left, bool left_turned, const In* right,
             bool right_turned, const Out* bias, Out* y, bool add = false);

}  // namespace hssl
