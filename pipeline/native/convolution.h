// Convolutions of maps, through oneDNN.
#pragma once

namespace hssl {

// x (images, in, height, width) to y (images, out, ., .), with k x k filters, k = side, and k / 2 zeros around x.
struct Convolution {
    long images, in, height, width, out, side, stride;
    bool channels_last = false;  // x (images, height, width, in), y likewise
    long out_height() const { return (height + side / 2 * 2 - side) / stride + 1; }
    long out_width() const { return (width + side / 2 * 2 - side) / stride + 1; }
    long out_positions() const { return out_height() * out_width(); }
};

// One thread at a time calls these. weight (out, in, side, side).
void convolve(const Convolution& shape, const float* x, const float* weight, float* y);

// x_grad may be null.
void convolve_gradient(const Convolution& shape, const float* x, const float* weight, const float* y_grad,
                       float* x_grad, float* weight_grad);

}  // namespace hssl
