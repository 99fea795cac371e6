// A pre-norm transformer block as one call, forward and backward: each thread computes the whole block for its own
// images. Products are oneDNN's.
#include "block.h"
#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "linear_rows.h"
#include "norm_rows.h"
#include "products.h"

namespace {

using hssl::add_row_sums;
using hssl::add_branch;
using hssl::Arena;
using hssl::multiply_exact;
using hssl::scale_branch;
using hssl::ThreadGradients;
using Gradients = hssl::BlockGradients;
using Kept = hssl::BlockKept<float>;
using Sizes = hssl::BlockSizes;
using Weights = hssl::BlockWeights;

struct Layers {
    hssl::LayerWeight qkv, out;
    hssl::MlpLayers mlp;
};

void forward(const Sizes& s, double eps, const float* x, const float* path_scales, const Weights& w, float* y,
             const Kept& kept) {
    const long c = s.channels, h = s.hidden, all_rows = s.images * s.tokens;
    Layers layers;
    layers.qkv.set(all_rows, 3 * c, c, w.qkv_weight);
    layers.out.set(all_rows, c, c, w.out_weight);
    layers.mlp.set(all_rows, s.mlp(), w.mlp());
    hssl::each_chunk(s.images, s.tokens, hssl::threads_for(s.images, s.tokens), [&](int, long image, long images) {
        const long rows = images * s.tokens, first = image * s.tokens;
        Arena arena(rows * (7 * c + 2 * h + 4 + s.heads));
        auto kept_or_own = [&](float* all, long width) { return all ? all + first * width : arena.take(rows * width); };
        float *qkv = kept_or_own(kept.qkv, 3 * c), *attended = kept_or_own(kept.attended, c),
              *log_sums = kept_or_own(kept.log_sums, s.heads), *middle = kept_or_own(kept.middle, c),
              *z = kept_or_own(kept.z, h), *moments1 = kept_or_own(kept.moments1, 2),
              *moments2 = kept_or_own(kept.moments2, 2);
        float *normed = arena.take(rows * c), *branch = arena.take(rows * c), *hidden = arena.take(rows * h);
        const float *in = x + first * c, *scales = path_scales ? path_scales + image : nullptr;
        hssl_layer_norm(rows, c, eps, in, w.norm1_weight, w.norm1_bias, normed, moments1);
        layers.qkv.multiply(rows, normed, qkv);
        hssl::add_bias(rows, 3 * c, w.qkv_bias, qkv);
        hssl_attention(images, s.tokens, s.heads, s.depth(), qkv, attended, log_sums);
        layers.out.multiply(rows, attended, branch);
        hssl::add_bias(rows, c, w.out_bias, branch);
        add_branch(rows, c, s.tokens, in, branch, scales, middle);
        hssl::normed_mlp_rows(rows, s.mlp(), eps, middle, w.mlp(), layers.mlp, branch, moments2, z, normed, hidden);
        add_branch(rows, c, s.tokens, middle, branch, scales ? scales + s.images : nullptr, y + first * c);
    });
}

// Adds the contribution of some images to `g`.
void backward_chunk(const Sizes& s, long image, long images, const float* y_grad, const float* x,
                    const float* path_scales, const Weights& w, const Kept& kept, float* x_grad, const Gradients& g) {
    const long c = s.channels, h = s.hidden, rows = images * s.tokens, first = image * s.tokens;
    Arena arena(rows * (7 * c + 2 * h));
    float *branch_grad = arena.take(rows * c), *normed = arena.take(rows * c), *normed_grad = arena.take(rows * c),
          *middle_grad = arena.take(rows * c), *qkv_grad = arena.take(3 * rows * c), *hidden = arena.take(rows * h),
          *z_grad = arena.take(rows * h);
    const float *in = x + first * c, *middle = kept.middle + first * c, *attended = kept.attended + first * c,
                *qkv = kept.qkv + first * 3 * c, *scales = path_scales ? path_scales + image : nullptr;
    const float* out_grad = y_grad + first * c;

    scale_branch(rows, c, s.tokens, out_grad, scales ? scales + s.images : nullptr, branch_grad);
    hssl::normed_mlp_gradient_rows(rows, s.mlp(), branch_grad, middle, w.mlp(), kept.moments2 + 2 * first,
                                   kept.z + first * h, out_grad, middle_grad, g.mlp(), normed, normed_grad, hidden,
                                   z_grad);

    float* attended_grad = normed_grad;
    scale_branch(rows, c, s.tokens, middle_grad, scales, branch_grad);
    hssl::add_column_sums(rows, c, branch_grad, g.out_bias);
    multiply_exact('T', 'N', c, c, rows, branch_grad, attended, g.out_weight, true);
    multiply_exact('N', 'N', rows, c, c, branch_grad, w.out_weight, attended_grad, false);
    hssl_attention_gradient(images, s.tokens, s.heads, s.depth(), qkv, attended, kept.log_sums + first * s.heads,
                            attended_grad, qkv_grad);
    hssl::add_column_sums(rows, 3 * c, qkv_grad, g.qkv_bias);
    hssl::norm_again(rows, c, in, w.norm1_weight, w.norm1_bias, kept.moments1 + 2 * first, normed);
    multiply_exact('T', 'N', 3 * c, c, rows, qkv_grad, normed, g.qkv_weight, true);
    multiply_exact('N', 'N', rows, c, 3 * c, qkv_grad, w.qkv_weight, normed_grad, false);
    hssl::norm_gradient(rows, c, normed_grad, in, w.norm1_weight, kept.moments1 + 2 * first, middle_grad,
                  x_grad + first * c, g.norm1_weight, g.norm1_bias);
}

void backward(const Sizes& s, const float* y_grad, const float* x, const float* path_scales, const Weights& w,
              const Kept& kept, float* x_grad, const Gradients& g) {
    const std::vector<ThreadGradients::One> all = g.all(s);
    const int threads = ThreadGradients::affordable(hssl::threads_for(s.images, s.tokens), all);
    const ThreadGradients gradients(threads, all);
    hssl::each_chunk(s.images, s.tokens, threads, [&](int thread, long image, long images) {
        const Gradients share = Gradients::from(gradients.of(thread));
        backward_chunk(s, image, images, y_grad, x, path_scales, w, kept, x_grad, share);
    });
    gradients.add_up();
}

}  // namespace

void hssl_block(long images, long tokens, long channels, long hidden_dim, long heads, double eps, const float* x,
                const float* path_scales, const float* norm1_weight, const float* norm1_bias, const float* qkv_weight,
                const float* qkv_bias, const float* out_weight, const float* out_bias, const float* norm2_weight,
                const float* norm2_bias, const float* expand, const float* expand_bias, const float* contract,
                const float* contract_bias, float* y, float* qkv, float* attended, float* log_sums, float* middle,
                float* z, float* moments) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight,  qkv_bias, out_weight,  out_bias,
                    norm2_weight, norm2_bias, expand,      expand_bias, contract, contract_bias};
    forward(s, eps, x, path_scales, w, y, Kept::of(s, qkv, attended, log_sums, middle, z, moments));
}

void hssl_block_gradient(long images, long tokens, long channels, long hidden_dim, long heads, const float* y_grad,
                         const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                         const float* qkv_weight, const float* out_weight, const float* norm2_weight,
                         const float* norm2_bias, const float* expand, const float* contract, const float* qkv,
                         const float* attended, const float* log_sums, const float* middle, const float* z,
                         const float* moments, float* x_grad, float* norm1_weight_grad, float* norm1_bias_grad,
                         float* qkv_weight_grad, float* qkv_bias_grad, float* out_weight_grad, float* out_bias_grad,
                         float* norm2_weight_grad, float* norm2_bias_grad, float* expand_grad,
                         float* expand_bias_grad, float* contract_grad, float* contract_bias_grad) {
    const Sizes s{images, tokens, channels, hidden_dim, heads};
    const Weights w{norm1_weight, norm1_bias, qkv_weight, nullptr, out_weight, nullptr,
                    norm2_weight, norm2_bias, expand,     nullptr, contract,   nullptr};
    const Gradients g{norm1_weight_grad, norm1_bias_grad, qkv_weight_grad, qkv_bias_grad,
                      out_weight_grad,   out_bias_grad,   norm2_weight_grad, norm2_bias_grad,
                      expand_grad,       expand_bias_grad, contract_grad,  contract_bias_grad};
    backward(s, y_grad, x, path_scales, w, Kept::of(s, qkv, attended, log_sums, middle, z, moments), x_grad, g);
}
