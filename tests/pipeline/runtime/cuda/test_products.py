import numpy as np

from pipeline.runtime.cuda.products import Product, timed_products


def test_each_precision_is_timed_and_compared(jt):
    """On the processor: exact in float32, which TF32 is there; in bfloat16 it also adds up, which is seen."""
    float32, tf32, bfloat16 = timed_products(size=96)
    assert [product.precision for product in (float32, tf32, bfloat16)] == ["float32", "TF32", "bfloat16"]
    assert min(product.tflops for product in (float32, tf32, bfloat16)) > 0
    assert float32.right
    assert tf32.right
    assert bfloat16.allowed < bfloat16.error < 1


def test_what_is_no_number_is_not_right():
    assert not Product("TF32", 100.0, float(np.nan), 1e-3).right
    assert not Product("TF32", 100.0, 2e-3, 1e-3).right
    assert Product("TF32", 100.0, 1e-3, 1e-3).right
