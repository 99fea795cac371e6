// Cross-entropy over the labelled places of maps: a thread for each place.
#include "channel_sums.cuh"
#include "kernels.h"

namespace {

constexpr int kThreads = 128;

struct Map {
    long places, all;  // all: places of all images
    long classes;
    const float* logits;

    // Where the first class of a place is; the next one is `places` further.
    __device__ const float* at(long place) const {
        const long image = place / places;
        return logits + image * classes * places + (place - image * places);
    }
};

// losses, log_sums (all).
__global__ void __launch_bounds__(kThreads)
    place_losses(Map map, float count, const int* labels, float* losses, float* log_sums) {
    const long place = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (place >= map.all) return;
    const float* logits = map.at(place);
    const int label = labels[place];
    float largest = logits[0];
    for (long k = 1; k < map.classes; k++) largest = fmaxf(largest, logits[k * map.places]);
    float sum = 0.f;
    for (long k = 0; k < map.classes; k++) sum += expf(logits[k * map.places] - largest);
    const float log_sum = largest + logf(sum);
    log_sums[place] = log_sum;
    const float chosen = label >= map.classes ? __uint_as_float(0x7fc00000u) : logits[max(label, 0) * map.places];
    losses[place] = label < 0 ? 0.f : (log_sum - chosen) / count;
}

__global__ void __launch_bounds__(kThreads) place_gradients(Map map, float count, const int* labels,
                                                            const float* log_sums, const float* loss_grad,
                                                            float* logits_grad) {
    const long place = static_cast<long>(blockIdx.x) * kThreads + threadIdx.x;
    if (place >= map.all) return;
    const float *logits = map.at(place), log_sum = log_sums[place];
    float* grad = logits_grad + (logits - map.logits);
    const int label = labels[place];
    const float factor = label < 0 ? 0.f : *loss_grad / count;
    for (long k = 0; k < map.classes; k++) {
        const float share = expf(logits[k * map.places] - log_sum);
        grad[k * map.places] = (k == label ? share - 1.f : share) * factor;
    }
}

}  // namespace

void hssl_device_pixel_cross_entropy(long images, long classes, long places, double count, const float* logits,
                                     const int* labels, float* loss, float* log_sums) {
    const Map map{places, images * places, classes, logits};
    hssl::Scratch scratch;
    float* losses = scratch.take<float>(map.all);
    hssl::launch("place_losses", place_losses, dim3(hssl::blocks_for(map.all, kThreads)), dim3(kThreads), 0, map,
                 count, labels, losses, log_sums);
    hssl::channel_sums(1, 1, map.all, losses, loss, scratch);
}

void hssl_device_pixel_cross_entropy_gradient(long images, long classes, long places, double count,
                                              const float* logits, const int* labels, const float* log_sums,
                                              const float* loss_grad, float* logits_grad) {
    const Map map{places, images * places, classes, logits};
    hssl::launch("place_gradients", place_gradients, dim3(hssl::blocks_for(map.all, kThreads)), dim3(kThreads), 0, map,
                 count, labels, log_sums, loss_grad, logits_grad);
}
