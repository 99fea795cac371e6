"""Every interval in tables and sentences. Their level is one setting, `tables.confidence`.

From the bounds to their data:

- `percentiles`: the bounds of a central share, for all of them.
- `values_and_differences`: the interval of a line of a table, and of the difference of two arms.
- `bootstrap`: for a mean over test images, from one outcome per image.
- `centred`: for other metrics, such as mIoU and AP, from their values on resamples of the images.
- `resamples`: how often each image is in each resample; `pipeline.evaluate` computes the metrics on them.
- `students_t`: for a mean over seeds.
- `crossed`: for a mean over draws of the training images and over test images.
- `kendalls_tau`: for the agreement of two orders.
"""
