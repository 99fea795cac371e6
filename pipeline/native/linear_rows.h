// What follows the product of a linear layer. Inside a thread among others, one thread.
#pragma once

namespace hssl {

// y (rows, columns) grows by the bias.
void add_bias(long rows, long columns, const float* bias, float* y);

// z (rows, columns) grows by the bias; y = GELU(z).
void add_bias_gelu(long rows, long columns, const float* bias, float* z, float* y);

}  // namespace hssl
