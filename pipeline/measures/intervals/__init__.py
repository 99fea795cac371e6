"""Every interval that a table or a sentence shows. Their level is one setting, `tables.confidence`.

From the number itself to what it is made of:

- `percentiles`: the two tails that are cut off, for all of them.
- `values_and_differences`: which interval a line of a table gets, and the difference of two arms.
- `bootstrap`: of a mean over test images, from one outcome per image.
- `centred`: of a metric that is no such mean, as mIoU and AP, from its values on resamples of the images.
- `resamples`: how often each image is in each resample; `pipeline.evaluate` computes the metrics on them.
- `students_t`: of a mean over seeds.
- `crossed`: of a mean over draws of the training images and over test images.
- `kendalls_tau`: of the agreement of two orders.
"""
