"""Workloads that compute with numpy, some of which runs threads of its own."""

from __future__ import annotations

import numpy as np


def seeded(count, *shape):
    chance = np.random.default_rng(9)
    return [chance.standard_normal(shape) for _ in range(count)]


def trace_of_product(seed):
    matrix = np.random.default_rng(seed).standard_normal((350, 350))
    return round(float(np.trace(matrix @ matrix @ matrix)), 3)


def largest_singular(matrix):
    return round(float(np.linalg.svd(matrix, compute_uv=False)[0]), 6)


def high_quantile(values):
    return float(np.sort(values)[-len(values) // 100])


def spectrum(values):
    return np.fft.rfft(values)


def normalised(row):
    return float((row / np.sqrt(row @ row)).max())


def vectors():
    return np.random.default_rng(9).standard_normal((8000, 64))


ROWS = (
    ("multiply matrices", trace_of_product, lambda: range(30), "numpy, threads of its own, flat, 5 ms"),
    ("singular values", largest_singular, lambda: seeded(40, 120, 120), "numpy, threads of its own, big items, 5 ms"),
    ("sort arrays", high_quantile, lambda: seeded(50, 100_000), "numpy, releases the lock, big items, 5 ms"),
    ("spectra", spectrum, lambda: seeded(100, 1 << 17), "numpy, big items, big results, 1 ms"),
    ("normalise rows", normalised, vectors, "numpy, an array's rows, many, 5 us, serial is right"),
)
"""As in computing."""
