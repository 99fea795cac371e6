// The functions of the library of training kernels. Arrays are dense, row-major float32 unless said otherwise.
//
// The operators that Jittor compiles take each declaration from this text: one statement for each
// function, `void` first.
#pragma once

extern "C" {

// y (rows, out) = x (rows, in) weight^T + bias; weight (out, in); bias (out) or null.
void hssl_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                 float* y);

// z = linear(x), y = GELU(z).
void hssl_linear_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                      float* z, float* y);

// y = GELU(z), recomputed.
void hssl_gelu(long rows, long out_dim, const float* z, float* y);

// z_grad = y_grad GELU'(z); bias_grad (out) = column sums of z_grad.
void hssl_gelu_gradient(long rows, long out_dim, const float* y_grad, const float* z, float* z_grad,
                        float* bias_grad);

// x_grad (rows, in) = y_grad (rows, out) weight (out, in).
void hssl_linear_input_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* weight,
                                float* x_grad);

// weight_grad (out, in) = y_grad^T x; bias_grad (out) = column sums of y_grad, unless null.
void hssl_linear_weight_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                 float* weight_grad, float* bias_grad);

// y (rows, out) = MLP(norm(x)), x (rows, in); moments as of hssl_layer_norm, z (rows, hidden) before GELU: both are
// outputs for the gradient, or null without a gradient.
void hssl_normed_mlp(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                     const float* norm_weight, const float* norm_bias, const float* expand, const float* expand_bias,
                     const float* contract, const float* contract_bias, float* y, float* moments, float* z);

void hssl_normed_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                              const float* x, const float* norm_weight, const float* norm_bias, const float* expand,
                              const float* contract, const float* moments, const float* z, float* x_grad,
                              float* norm_weight_grad, float* norm_bias_grad, float* expand_grad,
                              float* expand_bias_grad, float* contract_grad, float* contract_bias_grad);

// The same with products of bfloat16; z is bfloat16.
void hssl_normed_mlp_rounded(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                             const float* norm_weight, const float* norm_bias, const float* expand,
                             const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                             float* moments, void* z);

void hssl_normed_mlp_rounded_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                                      const float* x, const float* norm_weight, const float* norm_bias,
                                      const float* expand, const float* contract, const float* moments,
                                      const void* z, float* x_grad, float* norm_weight_grad, float* norm_bias_grad,
                                      float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                      float* contract_bias_grad);

// mean (images, out) = mean over an image's positions of GELU(linear(norm(x))), x (images, positions, in); moments as of
// hssl_layer_norm, z (rows, out) before GELU: both are outputs for the gradient, or null without a gradient.
void hssl_normed_gelu_mean(long images, long positions, long in_dim, long out_dim, double eps, const float* x,
                           const float* norm_weight, const float* norm_bias, const float* weight, const float* bias,
                           float* mean, float* moments, float* z);

void hssl_normed_gelu_mean_gradient(long images, long positions, long in_dim, long out_dim, const float* mean_grad,
                                    const float* x, const float* norm_weight, const float* norm_bias,
                                    const float* weight, const float* moments, const float* z, float* x_grad,
                                    float* norm_weight_grad, float* norm_bias_grad, float* weight_grad,
                                    float* bias_grad);

// A pre-norm transformer block: x, y (images, tokens, channels), path_scales (2, images) or null; the weights as in
// `kernels.BlockWeights`. For the gradient it leaves qkv (rows, 3 channels), attended (rows, channels), log_sums as
// of hssl_attention, middle (rows, channels): x after the attention, z (rows, hidden) before GELU, moments (2, rows,
// 2) of both norms; all null without a gradient.
void hssl_block(long images, long tokens, long channels, long hidden_dim, long heads, double eps, const float* x,
                const float* path_scales, const float* norm1_weight, const float* norm1_bias, const float* qkv_weight,
                const float* qkv_bias, const float* out_weight, const float* out_bias, const float* norm2_weight,
                const float* norm2_bias, const float* expand, const float* expand_bias, const float* contract,
                const float* contract_bias, float* y, float* qkv, float* attended, float* log_sums, float* middle,
                float* z, float* moments);

void hssl_block_gradient(long images, long tokens, long channels, long hidden_dim, long heads, const float* y_grad,
                         const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                         const float* qkv_weight, const float* out_weight, const float* norm2_weight,
                         const float* norm2_bias, const float* expand, const float* contract, const float* qkv,
                         const float* attended, const float* log_sums, const float* middle, const float* z,
                         const float* moments, float* x_grad, float* norm1_weight_grad, float* norm1_bias_grad,
                         float* qkv_weight_grad, float* qkv_bias_grad, float* out_weight_grad, float* out_bias_grad,
                         float* norm2_weight_grad, float* norm2_bias_grad, float* expand_grad,
                         float* expand_bias_grad, float* contract_grad, float* contract_bias_grad);

// The same with products of bfloat16, also those of attention; qkv, attended and z are bfloat16.
void hssl_block_rounded(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                        const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                        const float* qkv_weight, const float* qkv_bias, const float* out_weight, const float* out_bias,
                        const float* norm2_weight, const float* norm2_bias, const float* expand,
                        const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                        void* qkv, void* attended, float* log_sums, float* middle, void* z, float* moments);

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
                                 float* contract_bias_grad);

// qkv (batch, tokens, 3 heads depth) -> out (batch, tokens, heads depth), log_sums (batch, heads, tokens):
// the logarithm of each softmax's denominator.
void hssl_attention(long batch, long tokens, long heads, long depth, const float* qkv, float* out, float* log_sums);

void hssl_attention_gradient(long batch, long tokens, long heads, long depth, const float* qkv, const float* out,
                             const float* log_sums, const float* out_grad, float* qkv_grad);

// moments (rows, 2): mean and 1 / standard deviation of each row.
void hssl_layer_norm(long rows, long channels, double eps, const float* x, const float* weight, const float* bias,
                     float* y, float* moments);

void hssl_layer_norm_gradient(long rows, long channels, const float* y_grad, const float* x, const float* weight,
                              const float* moments, float* x_grad, float* weight_grad, float* bias_grad);

// y = x / max(norm of the row, eps); scales (rows): factor of each row, negative if eps was the larger one.
void hssl_l2_normalize(long rows, long channels, double eps, const float* x, float* y, float* scales);

void hssl_l2_normalize_gradient(long rows, long channels, const float* y_grad, const float* y, const float* scales,
                                float* x_grad);

// x (batch, height, width, channels), weight (side, side, channels), bias (channels), zeros around the image.
void hssl_depthwise_conv(long batch, long height, long width, long channels, long side, const float* x,
                         const float* weight, const float* bias, float* y);

void hssl_depthwise_conv_gradient(long batch, long height, long width, long channels, long side, const float* x,
                                  const float* weight, const float* y_grad, float* x_grad, float* weight_grad,
                                  float* bias_grad);

// probs = softmax((logits - center) / temperature) along each row.
void hssl_teacher_probabilities(long rows, long prototypes, double temperature, const float* logits,
                                const float* center, float* probs);

// loss (1) = sum over pairs of weight H(probs[probs_row], softmax(logits[logits_row] / temperature));
// log_sums (rows): the logarithm of the softmax's denominator, for rows in a pair.
void hssl_soft_cross_entropy(long rows, long prototypes, long probs_rows, long pairs, double temperature,
                             const float* logits, const float* probs, const int* logits_row, const int* probs_row,
                             const float* weights, float* loss, float* log_sums);

void hssl_soft_cross_entropy_gradient(long rows, long prototypes, long pairs, double temperature, const float* logits,
                                      const float* probs, const int* logits_row, const int* probs_row,
                                      const float* weights, const float* log_sums, const float* loss_grad,
                                      float* logits_grad);

// y (images, out, ., .) = ReLU(batch norm(convolution(x))), x (images, in, height, width), weight (out, in, side, side),
// side / 2 zeros around x. It also leaves z, the convolution; moments (out, 2), mean and inverse deviation of each
// channel; and running_mean and running_variance (out) moved by `momentum` towards those of z.
void hssl_conv_norm(long images, long in_channels, long height, long width, long out_channels, long side, long stride,
                    double eps, double momentum, const float* x, const float* weight, const float* scale,
                    const float* shift, const float* running_mean, const float* running_variance, float* y, float* z,
                    float* moments, float* new_mean, float* new_variance);

// x_grad may be null.
void hssl_conv_norm_gradient(long images, long in_channels, long height, long width, long out_channels, long side,
                             long stride, const float* y_grad, const float* x, const float* weight,
                             const float* scale, const float* y, const float* z, const float* moments,
                             float* weight_grad, float* scale_grad, float* shift_grad, float* x_grad);

// The same with given mean and variance (out).
void hssl_conv_known_norm(long images, long in_channels, long height, long width, long out_channels, long side,
                          long stride, double eps, const float* x, const float* weight, const float* scale,
                          const float* shift, const float* mean, const float* variance, float* y);

// tokens (images, 1 + patches, channels): the CLS token, then each patch, or the mask token where mask (images,
// patches) is not 0, all with positions (1 + patches, channels) added. mask and mask_token may be null.
void hssl_tokens(long images, long num_patches, long channels, const float* patches, const float* cls_token,
                 const float* mask_token, const unsigned char* mask, const float* positions, float* tokens);

void hssl_tokens_gradient(long images, long num_patches, long channels, const float* tokens_grad,
                          const unsigned char* mask, float* patches_grad, float* cls_token_grad,
                          float* mask_token_grad, float* positions_grad);

// Convolutions, with a bias and ReLU if `relu`, of `count` maps behind one another in x (rows, in): sizes (count, 3), the
// images, height and width of each, whose positions are rows. y (rows, out); weights (out, in, side, side) and biases
// (out) of each map, or one of each if `shared`; side / 2 zeros around each map.
void hssl_biased_conv(long count, const int* sizes, long in_channels, long out_channels, long side, long shared,
                      long relu, const float* x, const float* const* weights, const float* const* biases, float* y);

// x_grad may be null.
void hssl_biased_conv_gradient(long count, const int* sizes, long in_channels, long out_channels, long side,
                               long shared, long relu, const float* y_grad, const float* x, const float* y,
                               const float* const* weights, float* const* weight_grads, float* const* bias_grads,
                               float* x_grad);

// `hidden` linear layers with ReLU behind one another, then `heads` without, which all read the last hidden values, or x
// (rows, in) where there are none. dims (hidden + heads): channels of each layer's output (rows, .).
void hssl_relu_layers(long rows, long in_dim, long hidden, long heads, const long* dims, const float* x,
                      const float* const* weights, const float* const* biases, float* const* outputs);

// output_grads: of the heads, or of the last hidden values without any. values: the hidden ones. x_grad may be null.
void hssl_relu_layers_gradient(long rows, long in_dim, long hidden, long heads, const long* dims,
                               const float* const* output_grads, const float* x, const float* const* values,
                               const float* const* weights, float* const* weight_grads, float* const* bias_grads,
                               float* x_grad);

// y (boxes, places) = x (boxes, places, channels) times the row of weight (classes, channels) of the box's class, plus
// its bias.
void hssl_class_products(long boxes, long places, long channels, long num_classes, const float* x,
                         const float* weight, const float* bias, const int* classes, float* y);

void hssl_class_products_gradient(long boxes, long places, long channels, long num_classes, const float* y_grad,
                                  const float* x, const float* weight, const int* classes, float* x_grad,
                                  float* weight_grad, float* bias_grad);

// `count` maps, fine to coarse, of `sizes` (count, 3), images, height and width, behind one another in `table` (rows,
// channels): each plus the next coarser one of the table, of which every position covers 2 x 2.
void hssl_top_down(long count, const long* sizes, long channels, const float* const* maps, float* table);

void hssl_top_down_gradient(long count, const long* sizes, long channels, const float* table_grad,
                            float* const* map_grads);

// y (picked, channels) = x[rows].
void hssl_gather_rows(long num_rows, long channels, long picked, const float* x, const int* rows, float* y);

void hssl_gather_rows_gradient(long num_rows, long channels, long picked, const float* y_grad, const int* rows,
                               float* x_grad);

// y (boxes, bins, bins, channels), or (boxes, channels, bins, bins) if `channels_first`: bin (i, j) of box n is the sum
// over a, b < taps of the cells rows[n, i, a] + columns[n, j, b] of table (cells, channels), times
// row_weights[n, i, a] column_weights[n, j, b].
void hssl_pool_cells(long cells, long channels, long boxes, long bins, long taps, long channels_first,
                     const float* table, const int* rows, const float* row_weights, const int* columns,
                     const float* column_weights, float* y);

void hssl_pool_cells_gradient(long cells, long channels, long boxes, long bins, long taps, long channels_first,
                              const float* y_grad, const int* rows, const float* row_weights, const int* columns,
                              const float* column_weights, float* table_grad);

// loss = sum over labelled pixels of log_sums - logits[label], over count; logits (images, classes, pixels); labels and
// log_sums (images, pixels), negative labels are ignored; log_sums: log sum exp over the classes.
void hssl_pixel_cross_entropy(long images, long classes, long pixels, double count, const float* logits,
                              const int* labels, float* loss, float* log_sums);

void hssl_pixel_cross_entropy_gradient(long images, long classes, long pixels, double count, const float* logits,
                                       const int* labels, const float* log_sums, const float* loss_grad,
                                       float* logits_grad);

// y (planes, new_height, new_width) = rows x columns^T, plane by plane of x (planes, height, width); rows (new_height,
// height), columns (new_width, width).
void hssl_resample(long planes, long height, long width, long new_height, long new_width, const float* x,
                   const float* rows, const float* columns, float* y);

void hssl_resample_gradient(long planes, long height, long width, long new_height, long new_width,
                            const float* y_grad, const float* rows, const float* columns, float* x_grad);

// `count` maps (images, channels, height, width), whose sizes are in `sizes` (count, 3), each resampled to height x width
// and behind one another in the channels of y. `matrices`: rows (height, .), then columns (width, .), of each map of
// another size; a map of that size has none.
void hssl_stack_resampled(long images, long count, const long* sizes, long height, long width,
                          const float* const* maps, const float* matrices, float* y);

void hssl_stack_resampled_gradient(long images, long count, const long* sizes, long height, long width,
                                   const float* y_grad, const float* matrices, float* const* map_grads);

// y (images, ceil(height / 2), ceil(width / 2), channels) = the largest of each 2 x 2 positions of x.
void hssl_max_halved(long images, long height, long width, long channels, const float* x, float* y);

void hssl_max_halved_gradient(long images, long height, long width, long channels, const float* y_grad,
                              const float* x, float* x_grad);

// One step of AdamW over many tensors. sizes, offsets (into first and second), active, decayed, lr_scales (of the
// rate), steps: one entry for each tensor; hyper: lr, weight decay, beta1, beta2, eps, largest gradient norm (0 = no limit).
void hssl_adamw(long tensors, const long* sizes, const long* offsets, const unsigned char* active,
                const unsigned char* decayed, const double* lr_scales, const long* steps, const double* hyper,
                float* const* parameters, const float* const* gradients, float* first, float* second);

// teacher = momentum teacher + (1 - momentum) student, tensor by tensor.
void hssl_ema(long tensors, const long* sizes, float* const* teacher, const float* const* student, double momentum);
}
