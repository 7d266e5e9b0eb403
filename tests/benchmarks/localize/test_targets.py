from __future__ import annotations

import pytest

from freezenet.benchmarks.localize.targets import Sensitivity, Targets
from freezenet.edge_runtime.errors import SettingError

LABELS = ("A", "B:1", "C")


def test_targets_are_read_and_written_alike():
    texts = ["sensitivity=0.95:B:1", "risk=0.02", "prevalence=A:0.01,B:1:0.2"]
    found = Targets.parse(texts, LABELS)
    assert found == Targets(Sensitivity("B:1", 0.95), 0.02, {"A": 0.01, "B:1": 0.2})
    assert found.texts() == texts
    assert Targets.parse(["prevalence=A:0.1", "prevalence=C:0.2"], LABELS).prevalence == {"A": 0.1, "C": 0.2}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["recall=0.9:A"], "such as sensitivity"),
        (["sensitivity=1:A"], "between 0 and 1"),
        (["sensitivity=nan:A"], "between 0 and 1"),
        (["sensitivity=0.9:Z"], "A class of the model, A, B:1, C"),
        (["risk=0"], "between 0 and 1"),
        (["risk=0.1", "risk=0.2"], "Got: two"),
        (["sensitivity=0.9:A", "sensitivity=0.9:C"], "Got: two"),
        (["prevalence=A:0.7,C:0.7"], "Got: 1.4"),
        (["prevalence=A:0.2,C:0.2,B:1:0.2"], "Got: 0.6"),
        (["prevalence=A"], "A class of the model"),
    ],
)
def test_what_cannot_be_meant_gives_a_sentence(texts, said):
    with pytest.raises(SettingError, match=said):
        Targets.parse(texts, LABELS)
