// A pre-norm transformer block whose products take bfloat16, as one call, forward and backward: each thread computes
// the whole block for its own images, as in block.cpp. Each value is rounded once, where it is computed; norms, GELU,
// softmax, residual sums and the sums of products are float32.
#include <vector>

#include "attention_rounded.h"
#include "block.h"
#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "norm_rows.h"
#include "normed_mlp_rounded.h"
#include "products.h"

namespace {

using hssl::Arena;
using hssl::multiply_rounded;
using hssl::Rounded;
using hssl::rounded;
using hssl::ThreadGradients;
using Gradients = hssl::BlockGradients;
using Kept = hssl::BlockKept<Rounded>;
using Sizes = hssl::BlockSizes;
using Weights = hssl::BlockWeights;

struct PackedWeights {
    hssl::PackedFactor qkv, out;
    hssl::PackedLayers layers;

    void pack_forward(const Sizes& s, const Weights& w) {
        qkv.pack('T', 3 * s.channels, s.channels, w.qkv_weight);
        out.pack('T', s.channels, s.channels, w.out_weight);
        layers.pack_forward(s.mlp(), w.mlp());
    }
    void pack_backward(const Sizes& s, const Weights& w) {
        qkv.pack('N', s.channels, 3 * s.channels, w.qkv_weight);
        out.pack('N', s.channels, s.channels, w.out_weight);
        layers.pack_backward(s.mlp(), w.mlp());
    }
};

// Kept between calls; every call ends before the next one.
PackedWeights forward_weights, backward_weights;

// y (rows, columns) = product + bias, rounded
void round_with_bias(long rows, long columns, const float* product, const float* bias, Rounded* y) {
#pragma omp parallel for schedule(static)
    for (long i = 0; i < rows; i++) {
        const float* from = product + i * columns;
        Rounded* to = y + i * columns;
#pragma omp simd
        for (long j = 0; j < columns; j++) to[j] = rounded(from[j] + bias[j]);
    }
}

void forward(const Sizes& s, double eps, const float* x, const float* path_scales, const Weights& w, float* y,
             const Kept& kept) {
    const long c = s.channels, h = s.hidden;
    forward_weights.pack_forward(s, w);
    const PackedWeights& r = forward_weights;
    const int threads = hssl::threads_for(s.images, s.tokens);
    hssl::each_rounded_chunk(s.images, s.tokens, threads, [&](int, long image, long images) {
        const long rows = images * s.tokens, first = image * s.tokens, wide = std::max(3 * c, h);
        Arena arena(rows * (5 * c + 2 * h + wide + 4 + s.heads));
        auto rounded_or_own = [&](Rounded* all, long width) {
            return all ? all + first * width : arena.take_rounded(rows * width);
        };
        auto kept_or_own = [&](float* all, long width) { return all ? all + first * width : arena.take(rows * width); };
        Rounded *qkv = rounded_or_own(kept.qkv, 3 * c), *attended = rounded_or_own(kept.attended, c),
                *z = rounded_or_own(kept.z, h), *normed = arena.take_rounded(rows * c),
                *hidden = arena.take_rounded(rows * h);
        float *log_sums = kept_or_own(kept.log_sums, s.heads), *middle = kept_or_own(kept.middle, c),
              *moments1 = kept_or_own(kept.moments1, 2), *moments2 = kept_or_own(kept.moments2, 2),
              *branch = arena.take(rows * c), *product = arena.take(rows * wide);
        const float *in = x + first * c, *scales = path_scales ? path_scales + image : nullptr;
        hssl::norm_rounded(rows, c, eps, in, w.norm1_weight, w.norm1_bias, normed, moments1);
        r.qkv.multiply(rows, normed, product);
        round_with_bias(rows, 3 * c, product, w.qkv_bias, qkv);
        hssl::attention_rounded(images, s.tokens, s.heads, s.depth(), qkv, attended, log_sums);
        r.out.multiply(rows, attended, branch);
        hssl::add_bias(rows, c, w.out_bias, branch);
        hssl::add_branch(rows, c, s.tokens, in, branch, scales, middle);
        hssl::rounded_mlp_rows(rows, s.mlp(), eps, middle, w.mlp(), r.layers, branch, moments2, z, normed, hidden,
                               product);
        hssl::add_branch(rows, c, s.tokens, middle, branch, scales ? scales + s.images : nullptr, y + first * c);
    });
}

// Adds the contribution of some images to `g`.
void backward_chunk(const Sizes& s, long image, long images, const float* y_grad, const float* x,
                    const float* path_scales, const Weights& w, const PackedWeights& r, const Kept& kept,
                    float* x_grad, const Gradients& g) {
    const long c = s.channels, h = s.hidden, rows = images * s.tokens, first = image * s.tokens,
               wide = std::max(3 * c, h);
    Arena arena(rows * (6 * c + 2 * h + 2 * wide));
    Rounded *slope = arena.take_rounded(rows * c), *normed = arena.take_rounded(rows * c),
            *hidden = arena.take_rounded(rows * h), *wide_grad = arena.take_rounded(rows * wide);
    float *branch_grad = arena.take(rows * c), *narrow = arena.take(rows * c), *middle_grad = arena.take(rows * c),
          *product = arena.take(rows * wide);
    const float *in = x + first * c, *middle = kept.middle + first * c, *out_grad = y_grad + first * c,
                *scales = path_scales ? path_scales + image : nullptr;
    const Rounded *attended = kept.attended + first * c, *qkv = kept.qkv + first * 3 * c;

    hssl::scale_branch(rows, c, s.tokens, out_grad, scales ? scales + s.images : nullptr, branch_grad);
    hssl::rounded_mlp_gradient_rows(rows, s.mlp(), branch_grad, middle, w.mlp(), r.layers, kept.moments2 + 2 * first,
                                    kept.z + first * h, out_grad, middle_grad, g.mlp(),
                                    {slope, normed, hidden, wide_grad, product, narrow});

    hssl::scale_branch(rows, c, s.tokens, middle_grad, scales, branch_grad);
    hssl::add_column_sums(rows, c, branch_grad, g.out_bias);
    hssl::round_all(rows * c, branch_grad, slope);
    multiply_rounded('T', 'N', c, c, rows, slope, attended, g.out_weight, true);
    float *attended_grad = narrow, *qkv_grad = product;
    r.out.multiply(rows, slope, attended_grad);
    hssl::attention_rounded_gradient(images, s.tokens, s.heads, s.depth(), qkv, attended,
                                     kept.log_sums + first * s.heads, attended_grad, qkv_grad);
    hssl::add_column_sums(rows, 3 * c, qkv_grad, g.qkv_bias);
    hssl::round_all(rows * 3 * c, qkv_grad, wide_grad);
    hssl::norm_rounded_again(rows, c, in, w.norm1_weight, w.norm1_bias, kept.moments1 + 2 * first, normed);
    multiply_rounded('T', 'N', 3 * c, c, rows, wide_grad, normed, g.qkv_weight, true);
    float* normed_grad = narrow;
    r.qkv.multiply(rows, wide_grad, normed_grad);
    hssl::norm_gradient(rows, c, normed_grad, in, w.norm1_weight, kept.moments1 + 2 * first, middle_grad,
                        x_grad + first * c, g.norm1_weight, g.norm1_bias);
}

void backward(const Sizes& s, const float* y_grad, const float* x, const float* path_scales, const Weights& w,
              const Kept& kept, float* x_grad, const Gradients& g) {
    backward_weights.pack_backward(s, w);
    const PackedWeights& r = backward_weights;
    const std::vector<ThreadGradients::One> all = g.all(s);
    const int threads = ThreadGradients::affordable(hssl::threads_for(s.images, s.tokens), all);
    const ThreadGradients gradients(threads, all);
    hssl::each_rounded_chunk(s.images, s.tokens, threads, [&](int thread, long image, long images) {
        const Gradients share = Gradients::from(gradients.of(thread));
        backward_chunk(s, image, images, y_grad, x, path_scales, w, r, kept, x_grad, share);
    });
    gradients.add_up();
}

}  // namespace

void hssl_block_rounded(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                        const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                        const float* qkv_weight, const float* qkv_bias, const float* out_weight, const float* out_bias,
                        const float* norm2_weight, const float* norm2_bias, const float* expand,
                        const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                        void* qkv, void* attended, float* log_sums, float* middle, void* z, float* moments) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight,  qkv_bias, out_weight,  out_bias,
                    norm2_weight, norm2_bias, expand,      expand_bias, contract, contract_bias};
    forward(s, eps, x, path_scales, w, y, Kept::of(s, qkv, attended, log_sums, middle, z, moments));
}

void hssl_block_rounded_gradient(long images, long tokens, long channels, long hidden_dim, long heads,
                                 const float* y_grad, const float* x, const float* path_scales,
                                 const float* norm1_weight, const float* norm1_bias, const float* qkv_weight,
                                 const float* out_weight, const float* norm2_weight, const float* norm2_bias,
                                 const float* expand, const float* contract, const void* qkv, const void* attended,
                                 const float* log_sums, const float* middle, const void* z, const float* moments,
                                 float* x_grad, float* norm1_weight_grad, float* norm1_bias_grad,
                                 float* qkv_weight_grad, float* qkv_bias_grad, float* out_weight_grad,
                                 float* out_bias_grad, float* norm2_weight_grad, float* norm2_bias_grad,
                                 float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                 float* contract_bias_grad) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight, nullptr, out_weight, nullptr,
                    norm2_weight, norm2_bias, expand,     nullptr, contract,   nullptr};
    const Gradients g{norm1_weight_grad, norm1_bias_grad,  qkv_weight_grad,   qkv_bias_grad,
                      out_weight_grad,   out_bias_grad,    norm2_weight_grad, norm2_bias_grad,
                      expand_grad,       expand_bias_grad, contract_grad,     contract_bias_grad};
    backward(s, y_grad, x, path_scales, w, Kept::of(s, qkv, attended, log_sums, middle, z, moments), x_grad, g);
}
