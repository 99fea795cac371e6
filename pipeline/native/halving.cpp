// Largest of each 2 x 2 positions of maps with the channels last; an odd last row or column is alone.
#include <algorithm>

#include "kernels.h"

namespace {

// Below this many numbers threads cost more than they save.
constexpr long kWorthThreads = 20000;

// Positions of a window, by their rows among the map's positions: four, or two or one at an odd end.
struct Window {
    long rows[4];
    int count;
};

// Calls visit(row of the result, window).
template <class Visit>
void each_window(long images, long height, long width, long channels, Visit visit) {
    const long out_height = (height + 1) / 2, out_width = (width + 1) / 2, lines = images * out_height;
#pragma omp parallel for schedule(static) if (images * height * width * channels > kWorthThreads)
    for (long line = 0; line < lines; line++) {
        const long top = line % out_height * 2, first = (line / out_height * height + top) * width;
        for (long j = 0; j < out_width; j++) {
            Window window{{}, 0};
            for (long down = 0; down < std::min(2L, height - top); down++)
                for (long right = 0; right < std::min(2L, width - 2 * j); right++)
                    window.rows[window.count++] = first + down * width + 2 * j + right;
            visit(line * out_width + j, window);
        }
    }
}

// Of equal values the last.
inline bool is_better(float other, float best) { return other >= best; }

}  // namespace

void hssl_max_halved(long images, long height, long width, long channels, const float* x, float* y) {
    each_window(images, height, width, channels, [&](long to, const Window& window) {
        float* best = y + to * channels;
        std::copy_n(x + window.rows[0] * channels, channels, best);
        for (int k = 1; k < window.count; k++) {
            const float* other = x + window.rows[k] * channels;
#pragma omp simd
            for (long c = 0; c < channels; c++) best[c] = is_better(other[c], best[c]) ? other[c] : best[c];
        }
    });
}

void hssl_max_halved_gradient(long images, long height, long width, long channels, const float* y_grad,
                              const float* x, float* x_grad) {
    each_window(images, height, width, channels, [&](long from, const Window& window) {
        const float* slopes = y_grad + from * channels;
        for (long c = 0; c < channels; c++) {
            float best = x[window.rows[0] * channels + c];
            int winner = 0;
            for (int k = 1; k < window.count; k++) {
                const float other = x[window.rows[k] * channels + c];
                if (!is_better(other, best)) continue;
                best = other;
                winner = k;
            }
            for (int k = 0; k < window.count; k++)
                x_grad[window.rows[k] * channels + c] = k == winner ? slopes[c] : 0.f;
        }
    });
}
