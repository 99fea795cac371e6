// Largest of each 2 x 2 positions of planes; an odd last row or column is alone.
#include <algorithm>

#include "kernels.h"

namespace {

// Calls visit(place in the result, place of the largest value); of equal ones the last.
template <class Visit>
void each_window(long height, long width, const float* x, Visit visit) {
    const long out_width = (width + 1) / 2;
    for (long i = 0; i < height; i += 2)
        for (long j = 0; j < width; j += 2) {
            const long right = j + 1 < width ? 1 : 0, below = i + 1 < height ? width : 0;
            long best = i * width + j;
            for (const long step : {right, below, below + right}) {
                const long other = i * width + j + step;
                if (x[other] >= x[best]) best = other;
            }
            visit(i / 2 * out_width + j / 2, best);
        }
}

}  // namespace

void hssl_max_halved(long planes, long height, long width, const float* x, float* y) {
    const long in = height * width, out = ((height + 1) / 2) * ((width + 1) / 2);
#pragma omp parallel for schedule(static)
    for (long plane = 0; plane < planes; plane++)
        each_window(height, width, x + plane * in,
                    [&](long to, long from) { y[plane * out + to] = x[plane * in + from]; });
}

void hssl_max_halved_gradient(long planes, long height, long width, const float* y_grad, const float* x,
                              float* x_grad) {
    const long in = height * width, out = ((height + 1) / 2) * ((width + 1) / 2);
#pragma omp parallel for schedule(static)
    for (long plane = 0; plane < planes; plane++) {
        std::fill_n(x_grad + plane * in, in, 0.f);
        each_window(height, width, x + plane * in,
                    [&](long from, long to) { x_grad[plane * in + to] = y_grad[plane * out + from]; });
    }
}
