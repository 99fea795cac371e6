// Linear layers, alone, with GELU, as MLPs, and behind a layer norm. In and out is float32; inside, T is what products
// multiply, bfloat16 or float, and what is kept for the gradient.
#include "casts.cuh"
#include "gelu_passes.cuh"
#include "kernels.h"
#include "layer_norm.cuh"
#include "precision.cuh"
#include "products.cuh"

using hssl::as_factor;
using hssl::as_factors;
using hssl::column_pass;
using hssl::product;
using hssl::Scratch;
using hssl::with_factor;

namespace {

struct Layer {
    long rows, out, in;
};

// y = x weight^T + bias for factors in T; `Out` says what y is.
template <class T, class Out>
void forward(const Layer& s, const T* x, const T* weight, const Out* bias, Out* y) {
    product<T, Out>(s.rows, s.out, s.in, x, false, weight, true, bias, y);
}

// x_grad = y_grad weight
template <class T, class Out>
void input_gradient(const Layer& s, const T* y_grad, const T* weight, Out* x_grad) {
    product<T, Out>(s.rows, s.in, s.out, y_grad, false, weight, false, nullptr, x_grad);
}

// weight_grad = y_grad^T x
template <class T>
void weight_gradient(const Layer& s, const T* y_grad, const T* x, float* weight_grad) {
    product<T, float>(s.out, s.in, s.rows, y_grad, true, x, false, nullptr, weight_grad);
}

// y_grad as a factor, and its column sums.
template <class T>
const T* cast_and_sum(const Layer& s, const float* y_grad, float* bias_grad, Scratch& scratch) {
    T* to = std::is_same_v<T, float> ? nullptr : scratch.take<T>(s.rows * s.out);
    if (to || bias_grad)
        column_pass("cast_and_sum", s.rows, s.out, hssl::CastPass<T>{y_grad, to, s.out}, bias_grad, scratch);
    if constexpr (std::is_same_v<T, float>)
        return y_grad;
    else
        return to;
}

template <class T>
void linear(const Layer& s, const float* x, const float* weight, const float* bias, float* y) {
    Scratch scratch;
    const T *factor, *turned;
    as_factors<T>({{x, s.rows * s.in, &factor}, {weight, s.out * s.in, &turned}}, scratch);
    forward<T, float>(s, factor, turned, bias, y);
}

template <class T>
void linear_input_gradient(const Layer& s, const float* y_grad, const float* weight, float* x_grad) {
    Scratch scratch;
    const T *slope, *turned;
    as_factors<T>({{y_grad, s.rows * s.out, &slope}, {weight, s.out * s.in, &turned}}, scratch);
    input_gradient<T, float>(s, slope, turned, x_grad);
}

template <class T>
void linear_weight_gradient(const Layer& s, const float* y_grad, const float* x, float* weight_grad,
                            float* bias_grad) {
    Scratch scratch;
    const T* slope = cast_and_sum<T>(s, y_grad, bias_grad, scratch);
    weight_gradient<T>(s, slope, as_factor<T>(x, s.rows * s.in, scratch), weight_grad);
}

template <class T>
void dense_gelu(const Layer& s, const float* x, const float* weight, const float* bias, float* y, T* z) {
    Scratch scratch;
    const T *factor, *turned, *shift;
    as_factors<T>({{x, s.rows * s.in, &factor}, {weight, s.out * s.in, &turned}, {bias, s.out, &shift}}, scratch);
    forward<T, T>(s, factor, turned, shift, z);
    hssl::each_element("gelu", s.rows * s.out, hssl::GeluPass<T, float>{z, y});
}

template <class T>
void dense_gelu_gradient(const Layer& s, const float* y_grad, const float* x, const float* weight, const T* z,
                         float* x_grad, float* weight_grad, float* bias_grad) {
    Scratch scratch;
    T* z_grad = scratch.take<T>(s.rows * s.out);
    column_pass("gelu_gradient", s.rows, s.out, hssl::GeluGradientPass<float, T>{y_grad, z, z_grad, nullptr, s.out},
                bias_grad, scratch);
    weight_gradient<T>(s, z_grad, as_factor<T>(x, s.rows * s.in, scratch), weight_grad);
    if (x_grad) input_gradient<T, float>(s, z_grad, as_factor<T>(weight, s.out * s.in, scratch), x_grad);
}

struct Mlp {
    Layer expand, contract;
    long rows() const { return expand.rows; }
    long hidden() const { return expand.out; }
};

Mlp mlp_of(long rows, long in_dim, long hidden_dim, long out_dim) {
    return {{rows, hidden_dim, in_dim}, {rows, out_dim, hidden_dim}};
}

struct MlpWeights {
    const float *expand, *expand_bias, *contract, *contract_bias;
};

struct MlpGradients {
    float *expand, *expand_bias, *contract, *contract_bias;
};

// From rows as factors to y.
template <class T>
void mlp_forward(const Mlp& s, const T* x, const MlpWeights& w, float* y, T* z, Scratch& scratch) {
    const T *expand, *shift, *contract;
    as_factors<T>({{w.expand, s.hidden() * s.expand.in, &expand},
                   {w.expand_bias, s.hidden(), &shift},
                   {w.contract, s.contract.out * s.hidden(), &contract}},
                  scratch);
    T* hidden = scratch.take<T>(s.rows() * s.hidden());
    forward<T, T>(s.expand, x, expand, shift, z);
    hssl::each_element("gelu", s.rows() * s.hidden(), hssl::GeluPass<T, T>{z, hidden});
    forward<T, float>(s.contract, hidden, contract, w.contract_bias, y);
}

// Gradients of the weights, and of the rows as `In` unless null.
template <class T, class In>
void mlp_gradient(const Mlp& s, const float* y_grad, const T* x, const float* expand_weight,
                  const float* contract_weight, const T* z, In* x_grad, const MlpGradients& g, Scratch& scratch) {
    const T *expand, *contract;
    as_factors<T>({{expand_weight, s.hidden() * s.expand.in, &expand},
                   {contract_weight, s.contract.out * s.hidden(), &contract}},
                  scratch);
    const T* slope = cast_and_sum<T>(s.contract, y_grad, g.contract_bias, scratch);
    T *hidden = scratch.take<T>(s.rows() * s.hidden()), *z_grad = scratch.take<T>(s.rows() * s.hidden());
    input_gradient<T, T>(s.contract, slope, contract, z_grad);
    column_pass("gelu_gradient", s.rows(), s.hidden(),
                hssl::GeluGradientPass<T, T>{z_grad, z, z_grad, hidden, s.hidden()}, g.expand_bias, scratch);
    weight_gradient<T>(s.contract, slope, hidden, g.contract);
    weight_gradient<T>(s.expand, z_grad, x, g.expand);
    if (x_grad) input_gradient<T, In>(s.expand, z_grad, expand, x_grad);
}

template <class T>
void normed_linear(const Layer& s, double eps, const float* x, const float* norm_weight, const float* norm_bias,
                   const float* weight, const float* bias, float* y, float* moments) {
    Scratch scratch;
    T* normed = scratch.take<T>(s.rows * s.in);
    hssl::layer_norm<T>(s.rows, s.in, eps, x, norm_weight, norm_bias, normed, moments);
    forward<T, float>(s, normed, as_factor<T>(weight, s.out * s.in, scratch), bias, y);
}

template <class T>
void normed_linear_gradient(const Layer& s, const float* y_grad, const float* x, const float* norm_weight,
                            const float* norm_bias, const float* weight, const float* moments, float* x_grad,
                            float* norm_weight_grad, float* norm_bias_grad, float* weight_grad, float* bias_grad) {
    Scratch scratch;
    T *normed = scratch.take<T>(s.rows * s.in), *normed_grad = scratch.take<T>(s.rows * s.in);
    hssl::layer_norm_again<T>(s.rows, s.in, x, norm_weight, norm_bias, moments, normed);
    const T* slope = cast_and_sum<T>(s, y_grad, bias_grad, scratch);
    weight_gradient<T>(s, slope, normed, weight_grad);
    input_gradient<T, T>(s, slope, as_factor<T>(weight, s.out * s.in, scratch), normed_grad);
    hssl::layer_norm_gradient<T>(s.rows, s.in, normed_grad, x, norm_weight, moments, nullptr, x_grad,
                                 norm_weight_grad, norm_bias_grad, scratch);
}

}  // namespace

void hssl_device_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                        float* y) {
    with_factor([&](auto t) { linear<decltype(t)>({rows, out_dim, in_dim}, x, weight, bias, y); });
}

void hssl_device_linear_input_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* weight,
                                       float* x_grad) {
    with_factor([&](auto t) { linear_input_gradient<decltype(t)>({rows, out_dim, in_dim}, y_grad, weight, x_grad); });
}

void hssl_device_linear_weight_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                        float* weight_grad, float* bias_grad) {
    with_factor([&](auto t) {
        linear_weight_gradient<decltype(t)>({rows, out_dim, in_dim}, y_grad, x, weight_grad, bias_grad);
    });
}

void hssl_device_dense_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight,
                            const float* bias, float* y, void* z) {
    with_factor([&](auto t) {
        using T = decltype(t);
        dense_gelu<T>({rows, out_dim, in_dim}, x, weight, bias, y, static_cast<T*>(z));
    });
}

void hssl_device_dense_gelu_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                     const float* weight, const void* z, float* x_grad, float* weight_grad,
                                     float* bias_grad) {
    with_factor([&](auto t) {
        using T = decltype(t);
        dense_gelu_gradient<T>({rows, out_dim, in_dim}, y_grad, x, weight, static_cast<const T*>(z), x_grad,
                               weight_grad, bias_grad);
    });
}

void hssl_device_mlp(long rows, long in_dim, long hidden_dim, long out_dim, const float* x, const float* expand,
                     const float* expand_bias, const float* contract, const float* contract_bias, float* y, void* z) {
    with_factor([&](auto t) {
        using T = decltype(t);
        Scratch scratch;
        mlp_forward<T>(mlp_of(rows, in_dim, hidden_dim, out_dim), as_factor<T>(x, rows * in_dim, scratch),
                       {expand, expand_bias, contract, contract_bias}, y, static_cast<T*>(z), scratch);
    });
}

void hssl_device_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                              const float* x, const float* expand, const float* contract, const void* z,
                              float* x_grad, float* expand_grad, float* expand_bias_grad, float* contract_grad,
                              float* contract_bias_grad) {
    with_factor([&](auto t) {
        using T = decltype(t);
        Scratch scratch;
        mlp_gradient<T, float>(mlp_of(rows, in_dim, hidden_dim, out_dim), y_grad,
                               as_factor<T>(x, rows * in_dim, scratch), expand, contract, static_cast<const T*>(z),
                               x_grad, {expand_grad, expand_bias_grad, contract_grad, contract_bias_grad}, scratch);
    });
}

void hssl_device_normed_linear(long rows, long in_dim, long out_dim, double eps, const float* x,
                               const float* norm_weight, const float* norm_bias, const float* weight,
                               const float* bias, float* y, float* moments) {
    with_factor([&](auto t) {
        normed_linear<decltype(t)>({rows, out_dim, in_dim}, eps, x, norm_weight, norm_bias, weight, bias, y, moments);
    });
}

void hssl_device_normed_linear_gradient(long rows, long in_dim, long out_dim, const float* y_grad, const float* x,
                                        const float* norm_weight, const float* norm_bias, const float* weight,
                                        const float* moments, float* x_grad, float* norm_weight_grad,
                                        float* norm_bias_grad, float* weight_grad, float* bias_grad) {
    with_factor([&](auto t) {
        normed_linear_gradient<decltype(t)>({rows, out_dim, in_dim}, y_grad, x, norm_weight, norm_bias, weight,
                                            moments, x_grad, norm_weight_grad, norm_bias_grad, weight_grad,
                                            bias_grad);
    });
}

void hssl_device_normed_mlp(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                            const float* norm_weight, const float* norm_bias, const float* expand,
                            const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                            float* moments, void* z) {
    with_factor([&](auto t) {
        using T = decltype(t);
        Scratch scratch;
        T* normed = scratch.take<T>(rows * in_dim);
        hssl::layer_norm<T>(rows, in_dim, eps, x, norm_weight, norm_bias, normed, moments);
        mlp_forward<T>(mlp_of(rows, in_dim, hidden_dim, out_dim), normed,
                       {expand, expand_bias, contract, contract_bias}, y, static_cast<T*>(z), scratch);
    });
}

void hssl_device_normed_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                                     const float* x, const float* norm_weight, const float* norm_bias,
                                     const float* expand, const float* contract, const float* moments, const void* z,
                                     float* x_grad, float* norm_weight_grad, float* norm_bias_grad,
                                     float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                     float* contract_bias_grad) {
    with_factor([&](auto t) {
        using T = decltype(t);
        Scratch scratch;
        T *normed = scratch.take<T>(rows * in_dim), *normed_grad = scratch.take<T>(rows * in_dim);
        hssl::layer_norm_again<T>(rows, in_dim, x, norm_weight, norm_bias, moments, normed);
        mlp_gradient<T, T>(mlp_of(rows, in_dim, hidden_dim, out_dim), y_grad, normed, expand, contract,
                           static_cast<const T*>(z), normed_grad,
                           {expand_grad, expand_bias_grad, contract_grad, contract_bias_grad}, scratch);
        hssl::layer_norm_gradient<T>(rows, in_dim, normed_grad, x, norm_weight, moments, nullptr, x_grad,
                                     norm_weight_grad, norm_bias_grad, scratch);
    });
}
