// Linear layers with ReLU, one behind the other, and linear layers without it that all read the last of these.
#include <algorithm>
#include <vector>

#include "chunks.h"
#include "column_sums.h"
#include "kernels.h"
#include "products.h"

using hssl::multiply;

namespace {

struct Layers {
    long rows, in, hidden;
    const long* dims;  // channels of what each layer puts out

    // The layer whose values a layer reads; -1: x.
    long before(long layer) const { return std::min(layer, hidden) - 1; }
    long inner(long layer) const { return before(layer) < 0 ? in : dims[before(layer)]; }
    const float* input(long layer, const float* x, const float* const* values) const {
        return before(layer) < 0 ? x : values[before(layer)];
    }
};

}  // namespace

void hssl_relu_layers(long rows, long in, long hidden, long heads, const long* dims, const float* x,
                      const float* const* weights, const float* const* biases, float* const* outputs) {
    const Layers layers{rows, in, hidden, dims};
    for (long layer = 0; layer < hidden + heads; layer++) {
        const long channels = dims[layer];
        float* out = outputs[layer];
        multiply('N', 'T', rows, channels, layers.inner(layer), layers.input(layer, x, outputs), weights[layer], out);
        const float* bias = biases[layer];
        const bool relu = layer < hidden;
#pragma omp parallel for schedule(static)
        for (long i = 0; i < rows; i++) {
            float* row = out + i * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) {
                const float value = row[j] + bias[j];
                row[j] = relu && !(value > 0.f) ? 0.f : value;  // 0 of what is no number, as in Jittor
            }
        }
    }
}

void hssl_relu_layers_gradient(long rows, long in, long hidden, long heads, const long* dims,
                               const float* const* output_grads, const float* x, const float* const* values,
                               const float* const* weights, float* const* weight_grads, float* const* bias_grads,
                               float* x_grad) {
    const Layers layers{rows, in, hidden, dims};
    const long widest = std::max(in, *std::max_element(dims, dims + hidden + heads));
    hssl::ArenaOf<Layers> memory(3 * rows * widest + 48);
    float *slopes = memory.take(rows * widest), *others = memory.take(rows * widest),
          *behind_relu = memory.take(rows * widest);
    const float* arrived = heads == 0 ? output_grads[0] : slopes;  // at the values that the heads read
    const auto weight_gradient = [&](long layer, const float* of_outputs) {
        multiply('T', 'N', dims[layer], layers.inner(layer), rows, of_outputs, layers.input(layer, x, values),
                 weight_grads[layer]);
    };
    for (long head = 0; head < heads; head++) {
        const long layer = hidden + head, channels = dims[layer], inner = layers.inner(layer);
        const float* given = output_grads[head];
        weight_gradient(layer, given);
        std::fill_n(bias_grads[layer], channels, 0.f);
        hssl::add_column_sums(rows, channels, given, bias_grads[layer]);
        if (hidden == 0 && x_grad == nullptr) continue;
        multiply('N', 'N', rows, inner, channels, given, weights[layer], head == 0 ? slopes : others);
        if (head == 0) continue;
#pragma omp parallel for simd schedule(static)
        for (long j = 0; j < rows * inner; j++) slopes[j] += others[j];
    }
    for (long layer = hidden - 1; layer >= 0; layer--) {
        const long channels = dims[layer];
        const float* own = values[layer];
        hssl::reduce_rows(rows, channels, bias_grads[layer], [&](long i, float* sums) {
            const long at = i * channels;
#pragma omp simd
            for (long j = 0; j < channels; j++) {
                const float value = own[at + j], slope = arrived[at + j];  // read always: no branch in the loop
                const float passed = value > 0.f ? slope : 0.f;
                behind_relu[at + j] = passed;
                sums[j] += passed;
            }
        });
        weight_gradient(layer, behind_relu);
        arrived = slopes;
        float* to = layer == 0 ? x_grad : slopes;
        if (to != nullptr) multiply('N', 'N', rows, layers.inner(layer), channels, behind_relu, weights[layer], to);
    }
    if (hidden == 0 && x_grad != nullptr) std::copy_n(slopes, rows * in, x_grad);
}
