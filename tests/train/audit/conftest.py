"""The probe's network is built once for all audits of these tests: it is the same each time and takes longer than the rest."""

from __future__ import annotations

import functools

import pytest

from freezenet.train.audit import audit as module
from freezenet.train.audit.features import extractor


@pytest.fixture(autouse=True, scope="package")
def _one_network():
    @functools.cache
    def built(weights, alpha, image_size, seed, images):
        return extractor(module.AuditOptions(weights=weights, alpha=alpha, image_size=image_size, seed=seed), images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module,
            "extractor",
            lambda options, images: built(options.weights, options.alpha, options.image_size, options.seed, 1),
        )
        yield
