"""Whether the images of a pooled cross-validation took part in the training of what answered them."""

from __future__ import annotations

from studies.out_of_fold import took_part


def rows(**patients):
    return [{"split": split, "patient_id": one} for split, names in patients.items() for one in names]


def test_images_are_counted_whose_patient_the_network_has_seen():
    clean = rows(train="aab", validation="c", test="dd")
    leaky = rows(train="aab", validation="cb", test="dbb")
    assert took_part([clean, clean]) == {"train": 0, "validation": 0}
    assert took_part([clean, leaky]) == {"train": 2, "validation": 2}
