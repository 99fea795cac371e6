// What the library of device kernels offers. Arrays lie on the device, dense and row-major, float32 unless said
// otherwise; "kept" arrays are bfloat16 where the precision is, else float32, and mean nothing outside the library.
//
// The operators that Jittor compiles take each declaration from this text: one statement for each function, `void`
// first. What is hssl_ and
// hssl_device_ of one name computes the same for the processor (../kernels.h).
#pragma once

extern "C" {

// 0: float32, 1: tf32, 2: bfloat16 products; not while arrays that were kept with another are in use.
void hssl_device_set_precision(int precision);

// y (rows, out) = x (rows, in) weight^T + bias; weight (out, in); bias (out) or null.
void hssl_device_linear(long rows, long out_dim, long in_dim, const float* x, const float* weight, const float* bias,
                        float* y);

// x_grad (rows, in) = y_grad (rows, out) weight (out, in).
void hssl_device_linear_input_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* weight,
                                       float* x_grad);

// weight_grad (out, in) = y_grad^T x; bias_grad (out) = column sums of y_grad, unless null.
void hssl_device_linear_weight_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                        float* weight_grad, float* bias_grad);

// y = GELU(linear(x)); z: kept (rows, out). x_grad may be null.
void hssl_device_dense_gelu(long rows, long out_dim, long in_dim, const float* x, const float* weight,
                            const float* bias, float* y, void* z);
void hssl_device_dense_gelu_gradient(long rows, long out_dim, long in_dim, const float* y_grad, const float* x,
                                     const float* weight, const void* z, float* x_grad, float* weight_grad,
                                     float* bias_grad);

// y (rows, out) = linear(GELU(linear(x (rows, in)))), hidden values between; z: kept (rows, hidden). x_grad may be null.
void hssl_device_mlp(long rows, long in_dim, long hidden_dim, long out_dim, const float* x, const float* expand,
                     const float* expand_bias, const float* contract, const float* contract_bias, float* y, void* z);
void hssl_device_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                              const float* x, const float* expand, const float* contract, const void* z,
                              float* x_grad, float* expand_grad, float* expand_bias_grad, float* contract_grad,
                              float* contract_bias_grad);

// y = linear(layer_norm(x)); moments (rows, 2): mean and 1 / standard deviation of each row.
void hssl_device_normed_linear(long rows, long in_dim, long out_dim, double eps, const float* x,
                               const float* norm_weight, const float* norm_bias, const float* weight,
                               const float* bias, float* y, float* moments);
void hssl_device_normed_linear_gradient(long rows, long in_dim, long out_dim, const float* y_grad, const float* x,
                                        const float* norm_weight, const float* norm_bias, const float* weight,
                                        const float* moments, float* x_grad, float* norm_weight_grad,
                                        float* norm_bias_grad, float* weight_grad, float* bias_grad);

// y = mlp(layer_norm(x)).
void hssl_device_normed_mlp(long rows, long in_dim, long hidden_dim, long out_dim, double eps, const float* x,
                            const float* norm_weight, const float* norm_bias, const float* expand,
                            const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                            float* moments, void* z);
void hssl_device_normed_mlp_gradient(long rows, long in_dim, long hidden_dim, long out_dim, const float* y_grad,
                                     const float* x, const float* norm_weight, const float* norm_bias,
                                     const float* expand, const float* contract, const float* moments, const void* z,
                                     float* x_grad, float* norm_weight_grad, float* norm_bias_grad,
                                     float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                     float* contract_bias_grad);

// A pre-norm transformer block on x (images, tokens, channels). path_scales (2, images): what the two branches of each
// image are multiplied by, or null. Kept for the gradient: qkv (images, tokens, 3 channels), attended (images, tokens,
// channels), log_sums (images, heads, tokens) float32, added (images, tokens, channels): what attention adds to x before
// its scale, z (images, tokens, hidden), moments (2, rows, 2) float32.
void hssl_device_block(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                       const float* x, const float* path_scales, const float* norm1_weight, const float* norm1_bias,
                       const float* qkv_weight, const float* qkv_bias, const float* out_weight, const float* out_bias,
                       const float* norm2_weight, const float* norm2_bias, const float* expand,
                       const float* expand_bias, const float* contract, const float* contract_bias, float* y,
                       void* qkv, void* attended, float* log_sums, void* added, void* z, float* moments);
void hssl_device_block_gradient(long images, long tokens, long channels, long hidden_dim, long heads, double eps,
                                const float* y_grad, const float* x, const float* path_scales,
                                const float* norm1_weight, const float* norm1_bias, const float* qkv_weight,
                                const float* out_weight, const float* norm2_weight, const float* norm2_bias,
                                const float* expand, const float* contract, const void* qkv, const void* attended,
                                const float* log_sums, const void* added, const void* z, const float* moments,
                                float* x_grad, float* norm1_weight_grad, float* norm1_bias_grad,
                                float* qkv_weight_grad, float* qkv_bias_grad, float* out_weight_grad,
                                float* out_bias_grad, float* norm2_weight_grad, float* norm2_bias_grad,
                                float* expand_grad, float* expand_bias_grad, float* contract_grad,
                                float* contract_bias_grad);

// qkv (batch, tokens, 3 heads depth) -> out (batch, tokens, heads depth), log_sums (batch, heads, tokens):
// the logarithm of each softmax's denominator.
void hssl_device_attention(long batch, long tokens, long heads, long depth, const float* qkv, float* out,
                           float* log_sums);

void hssl_device_attention_gradient(long batch, long tokens, long heads, long depth, const float* qkv,
                                    const float* out, const float* log_sums, const float* out_grad, float* qkv_grad);

// moments (rows, 2): mean and 1 / standard deviation of each row.
void hssl_device_layer_norm(long rows, long channels, double eps, const float* x, const float* weight,
                            const float* bias, float* y, float* moments);

void hssl_device_layer_norm_gradient(long rows, long channels, const float* y_grad, const float* x,
                                     const float* weight, const float* moments, float* x_grad, float* weight_grad,
                                     float* bias_grad);

// y = x / max(norm of the row, eps); scales (rows): what a row was multiplied by, negative where eps ruled.
void hssl_device_l2_normalize(long rows, long channels, double eps, const float* x, float* y, float* scales);

void hssl_device_l2_normalize_gradient(long rows, long channels, const float* y_grad, const float* y,
                                       const float* scales, float* x_grad);

// x (batch, height, width, channels), weight (side, side, channels), bias (channels), zeros around the image.
void hssl_device_depthwise_conv(long batch, long height, long width, long channels, long side, const float* x,
                                const float* weight, const float* bias, float* y);

void hssl_device_depthwise_conv_gradient(long batch, long height, long width, long channels, long side,
                                         const float* x, const float* weight, const float* y_grad, float* x_grad,
                                         float* weight_grad, float* bias_grad);

// y (images, ., ., out) = convolution of x (images, height, width, in) + bias, side / 2 zeros around x; weight (side,
// side, out, in), stride at most 4, bias (out) or null. `together`: images that are multiplied at a time.
void hssl_device_convolution(long images, long height, long width, long in_dim, long out_dim, long side, long stride,
                             long together, const float* x, const float* weight, const float* bias, float* y);
// x_grad and bias_grad may be null.
void hssl_device_convolution_gradient(long images, long height, long width, long in_dim, long out_dim, long side,
                                      long stride, long together, const float* y_grad, const float* x,
                                      const float* weight, float* x_grad, float* weight_grad, float* bias_grad);

// probs = softmax((logits - center) / temperature) along each row.
void hssl_device_teacher_probabilities(long rows, long prototypes, double temperature, const float* logits,
                                       const float* center, float* probs);

// loss (1) = sum over pairs of weight H(probs[probs_row], softmax(logits[logits_row] / temperature));
// log_sums (rows): the logarithm of the softmax's denominator, for rows that are in a pair. A pair whose row does not
// exist, or comes before the row of the pair before it, makes the loss NaN, and the gradient.
void hssl_device_soft_cross_entropy(long rows, long prototypes, long probs_rows, long pairs, double temperature,
                                    const float* logits, const float* probs, const int* logits_row,
                                    const int* probs_row, const float* weights, float* loss, float* log_sums);

void hssl_device_soft_cross_entropy_gradient(long rows, long prototypes, long pairs, double temperature,
                                             const float* logits, const float* probs, const int* logits_row,
                                             const int* probs_row, const float* weights, const float* log_sums,
                                             const float* loss_grad, float* logits_grad);

// y (picked, channels) = x[rows]; NaN where there is no such row.
void hssl_device_gather_rows(long num_rows, long channels, long picked, const float* x, const int* rows, float* y);

void hssl_device_gather_rows_gradient(long num_rows, long channels, long picked, const float* y_grad, const int* rows,
                                      float* x_grad);

// y (boxes, bins, bins, channels): bin (i, j) of box n is the sum over a, b < taps of the cells
// rows[n, i, a] + columns[n, j, b] of table (cells, channels), times row_weights[n, i, a] column_weights[n, j, b].
void hssl_device_pool_cells(long cells, long channels, long boxes, long bins, long taps, const float* table,
                            const int* rows, const float* row_weights, const int* columns,
                            const float* column_weights, float* y);

void hssl_device_pool_cells_gradient(long cells, long channels, long boxes, long bins, long taps, const float* y_grad,
                                     const int* rows, const float* row_weights, const int* columns,
                                     const float* column_weights, float* table_grad);

// y (groups, channels) = mean over the places of x (groups, places, channels).
void hssl_device_mean_positions(long groups, long places, long channels, const float* x, float* y);
void hssl_device_mean_positions_gradient(long groups, long places, long channels, const float* y_grad, float* x_grad);

// sums (channels) of x (images, channels, places).
void hssl_device_channel_sums(long images, long channels, long places, const float* x, float* sums);

// loss (1) = sum over places with a label of -log softmax(logits (images, classes, places))[label], divided by count;
// labels (images, places), negative: none; too large: no number. log_sums (images, places) for the gradient.
void hssl_device_pixel_cross_entropy(long images, long classes, long places, double count, const float* logits,
                                     const int* labels, float* loss, float* log_sums);
void hssl_device_pixel_cross_entropy_gradient(long images, long classes, long places, double count,
                                              const float* logits, const int* labels, const float* log_sums,
                                              const float* loss_grad, float* logits_grad);

// patches (images, rows, columns, channels, side, side) of pixels (images, channels, rows side, columns side).
void hssl_device_image_patches(long images, long channels, long rows, long columns, long side, const float* pixels,
                               float* patches);
void hssl_device_image_patches_gradient(long images, long channels, long rows, long columns, long side,
                                        const float* patches_grad, float* pixels_grad);

// tokens (images, 1 + patches, channels): the CLS token, then each patch, or the mask token where mask (images,
// patches) is not 0, all with positions (1 + patches, channels) added. mask and mask_token may be null.
void hssl_device_tokens(long images, long num_patches, long channels, const float* patches, const float* cls_token,
                        const float* mask_token, const unsigned char* mask, const float* positions, float* tokens);
void hssl_device_tokens_gradient(long images, long num_patches, long channels, const float* tokens_grad,
                                 const unsigned char* mask, float* patches_grad, float* cls_token_grad,
                                 float* mask_token_grad, float* positions_grad);

// One step of AdamW over many tensors. Lie with the processor: sizes, offsets (into first and second), active, decayed,
// lr_scales (of the rate), steps: one entry for each tensor; the addresses of parameters and gradients; hyper: lr,
// weight decay, beta1, beta2, eps, largest gradient norm (0 = no limit).
void hssl_device_adamw(long tensors, const long* sizes, const long* offsets, const unsigned char* active,
                       const unsigned char* decayed, const double* lr_scales, const long* steps, const double* hyper,
                       float* const* parameters, const float* const* gradients, float* first, float* second);

// teacher = momentum teacher + (1 - momentum) student, tensor by tensor. sizes and addresses lie with the processor.
void hssl_device_ema(long tensors, const long* sizes, float* const* teacher, const float* const* student,
                     double momentum);
}
