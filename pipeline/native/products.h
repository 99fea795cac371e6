// Products of matrices, through oneDNN.
#pragma once

#include <vector>

#include "rounding.h"

namespace hssl {

// c (rows, columns) = op(a) op(b), where op transposes what is 'T'; all dense, row-major float32. Factors are
// rounded to bfloat16 first where `hssl_round_factors` says so; sums are float32 always.
void multiply(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a, const float* b,
              float* c);

// Whether factors are rounded.
bool factors_are_rounded();

// The same of float32 factors, whatever `hssl_round_factors` says, added to c if `add`.
void multiply_exact(char transpose_a, char transpose_b, long rows, long columns, long inner, const float* a,
                    const float* b, float* c, bool add);

// The same of factors that are rounded already.
void multiply_rounded(char transpose_a, char transpose_b, long rows, long columns, long inner, const Rounded* a,
                      const Rounded* b, float* c, bool add);

// A linear layer's weight as the right factor of many products in float32, for one call of a kernel. Made, set and
// destroyed by one thread at a time, outside of parallel regions.
class LayerWeight {
  public:
    LayerWeight() = default;
    LayerWeight(const LayerWeight&) = delete;
    ~LayerWeight();

    // weight (out, in), for products with so many rows in all.
    void set(long rows, long out, long in, const float* weight);

    // y (rows, out) = x (rows, in) weight^T. By any thread.
    void multiply(long rows, const float* x, float* y) const;

  private:
    long out_ = 0, in_ = 0;
    const float* weight_ = nullptr;
    std::vector<float> transposed_;  // at least as long as the weight, or empty: weight_ is used as it is
};

// A right factor of many products: rounded, and in the order in which oneDNN reads it fastest.
class PackedFactor {
  public:
    // From b, where op(b) is (inner, columns). One thread at a time, outside of parallel regions.
    void pack(char transpose_b, long columns, long inner, const float* b);

    // c (rows, columns) = a (rows, inner) op(b). By any thread.
    void multiply(long rows, const Rounded* a, float* c) const;

  private:
    long columns_ = 0, inner_ = 0, order_ = 0;
    std::vector<Rounded> values_;
};

}  // namespace hssl

extern "C" {

// From now on, round factors (1) or not (0).
void hssl_round_factors(int on);
}
