// Products of matrices, through oneDNN.
#pragma once

namespace hssl {

// c (rows, columns) = op(a) op(b), where op transposes what is 'T'; all dense, row-major float32. Factors are
// rounded to bfloat16 first where `hssl_round_factors` says so; sums are float32 always.
void multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a, const float* b,
              float* c);

}  // namespace hssl

extern "C" {

// From now on, round factors (1) or not (0).
void hssl_round_factors(int on);
}
