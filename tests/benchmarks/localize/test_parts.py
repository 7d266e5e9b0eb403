from __future__ import annotations

import numpy as np

from freezenet.benchmarks.localize.parts import dealt


def test_whole_patients_and_as_many_of_each_class():
    patients = np.repeat(np.arange(60), 2)
    truth = np.repeat(np.arange(60) % 3, 2)
    part = dealt(truth, patients, 5, 0)
    assert all(len(set(part[patients == one])) == 1 for one in range(60))
    counts = np.array([[((part == number) & (truth == label)).sum() for label in range(3)] for number in range(5)])
    assert (counts == 8).all()
    assert (part != dealt(truth, patients, 5, 1)).any()
