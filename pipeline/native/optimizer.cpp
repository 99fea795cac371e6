// AdamW over many tensors in one call, and the moving average of weights.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels.h"

namespace {

// Work is divided, and norms are summed, in pieces of this many elements, so that the result does not
// depend on the number of threads.
constexpr long kPiece = 8192;

struct Piece {
    long tensor, start, end;
};

std::vector<Piece> pieces_of(long tensors, const long* sizes) {
    std::vector<Piece> pieces;
    for (long t = 0; t < tensors; t++)
        for (long start = 0; start < sizes[t]; start += kPiece)
            pieces.push_back({t, start, std::min(sizes[t], start + kPiece)});
    return pieces;
}

// Factor of each tensor's gradient that limits its norm to `limit`.
std::vector<float> clipping(long tensors, const std::vector<Piece>& pieces, const float* const* gradients,
                            double limit) {
    std::vector<float> scales(tensors, 1.f);
    if (limit == 0.) return scales;
    std::vector<double> squares(pieces.size()), norms(tensors, 0.);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < pieces.size(); i++) {
        const float* g = gradients[pieces[i].tensor];
        float sum = 0.f;
#pragma omp simd reduction(+ : sum)
        for (long j = pieces[i].start; j < pieces[i].end; j++) sum += g[j] * g[j];
        squares[i] = sum;
    }
    for (size_t i = 0; i < pieces.size(); i++) norms[pieces[i].tensor] += squares[i];
    for (long t = 0; t < tensors; t++)
        scales[t] = static_cast<float>(std::min(1., limit / (std::sqrt(norms[t]) + 1e-6)));
    return scales;
}

}  // namespace

void hssl_adamw(long tensors, const long* sizes, const long* offsets, const unsigned char* active,
                const unsigned char* decayed, const double* lr_scales, const long* steps, const double* hyper,
                float* const* parameters, const float* const* gradients, float* first, float* second) {
    const double weight_decay = hyper[1], beta1 = hyper[2], beta2 = hyper[3];
    const float eps = static_cast<float>(hyper[4]), keep1 = static_cast<float>(beta1),
                keep2 = static_cast<float>(beta2), take1 = static_cast<float>(1. - beta1),
                take2 = static_cast<float>(1. - beta2);
    const std::vector<Piece> pieces = pieces_of(tensors, sizes);
    const std::vector<float> clip = clipping(tensors, pieces, gradients, hyper[5]);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < pieces.size(); i++) {
        const long t = pieces[i].tensor;
        if (!active[t]) continue;
        const double count = static_cast<double>(steps[t]), lr = hyper[0] * lr_scales[t];
        const float rate = static_cast<float>(lr / (1. - std::pow(beta1, count))),
                    root = static_cast<float>(1. / std::sqrt(1. - std::pow(beta2, count))),
                    kept = static_cast<float>(1. - (decayed[t] ? lr * weight_decay : 0.)), scale = clip[t];
        float *p = parameters[t], *m = first + offsets[t], *v = second + offsets[t];
        const float* g = gradients[t];
#pragma omp simd
        for (long j = pieces[i].start; j < pieces[i].end; j++) {
            const float slope = g[j] * scale;
            m[j] = keep1 * m[j] + take1 * slope;
            v[j] = keep2 * v[j] + take2 * slope * slope;
            p[j] = p[j] * kept - rate * m[j] / (std::sqrt(v[j]) * root + eps);
        }
    }
}

void hssl_ema(long tensors, const long* sizes, float* const* teacher, const float* const* student, double momentum) {
    const float keep = static_cast<float>(momentum), take = static_cast<float>(1. - momentum);
    const std::vector<Piece> pieces = pieces_of(tensors, sizes);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < pieces.size(); i++) {
        float* target = teacher[pieces[i].tensor];
        const float* source = student[pieces[i].tensor];
#pragma omp simd
        for (long j = pieces[i].start; j < pieces[i].end; j++) target[j] = keep * target[j] + take * source[j];
    }
}
