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
        (["prevalence=A:0.1,A:0.2,C:0.3"], "Got: A twice"),
        (["prevalence=A:0.1", "prevalence=A:0.1"], "Got: A twice"),
    ],
)
def test_what_cannot_be_meant_gives_a_sentence(texts, said):
    with pytest.raises(SettingError, match=said):
        Targets.parse(texts, LABELS)


def test_what_was_not_asked_for_again_is_given_up_but_for_a_risk_whose_threshold_stays():
    earlier = ["sensitivity=0.9:A", "risk=0.02", "prevalence=A:0.1"]

    def given_up(*texts: str) -> list[str]:
        return Targets.parse(texts, LABELS).given_up(earlier)

    assert given_up("prevalence=A:0.1") == ["sensitivity=0.9:A"]
    assert given_up("risk=0.03") == ["sensitivity=0.9:A", "risk=0.02", "prevalence=A:0.1"]
    assert given_up("sensitivity=0.9:C") == ["sensitivity=0.9:A", "prevalence=A:0.1"]
    assert given_up(*earlier) == []
