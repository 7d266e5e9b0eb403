from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from sklearn.metrics import f1_score, recall_score

from freezenet.edge_runtime.errors import SettingError
from freezenet.train.metrics import resampling
from freezenet.train.metrics.figure import interval
from freezenet.train.metrics.paired import PairedAnswers
from freezenet.train.metrics.rare import WeightedChanges
from freezenet.train.metrics.resampling import drawn_sums
from freezenet.train.metrics.verdict import CANNOT_TELL, NOT_WORSE, WORSE, Margins, holm, verdicts

LABELS = ("a", "b", "c")
EYE = np.eye(3, dtype=bool)


def judged(truth, before, after, patients=None, **options):
    names = patients if patients is not None else [str(number) for number in range(len(truth))]
    return verdicts(EYE[truth], EYE[before], {"int8": EYE[after]}, LABELS, names, **options)["int8"]


def answers(rng, truth, right=0.9):
    return np.where(rng.random(len(truth)) < right, truth, rng.integers(0, 3, len(truth)))


def test_no_changed_answer_is_no_proof_on_few_images():
    """The bootstrap sees nothing; 3.69 of n images may still be lost (rule of three at 97.5 %)."""
    few, many = np.repeat([0, 1, 2], 60), np.repeat([0, 1, 2], 200)
    one = judged(few, few, few)
    assert one.verdict == CANNOT_TELL
    assert [end.difference.value for end in one.endpoints] == [0, 0, 0, 0]
    # -ln(.025) / .02 = 184.4 images of each class
    assert one.needed == pytest.approx(3 * 184.4, rel=0.03)
    assert judged(many, many, many).verdict == NOT_WORSE


def test_bounds_without_changes_are_clopper_and_pearsons_rule_of_three():
    low = interval(WeightedChanges.of(np.zeros(500), np.full(500, 1 / 500)).low())[0]
    exact = binomtest(0, 500).proportion_ci(0.95, method="exact").high
    assert -low == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(("lost", "won"), [(3, 0), (12, 0), (0, 7), (10, 10)])
def test_bounds_of_equal_weights_are_at_least_as_wide_as_exact_ones(lost, won):
    """Losses alone: Clopper and Pearson's limits, which Poisson's contain."""
    changes = np.concatenate([-np.ones(lost), np.ones(won), np.zeros(1000 - lost - won)]) / 1000
    one = WeightedChanges.of(changes, np.full(1000, 1 / 1000))
    low, high = interval(one.low())[0], interval(one.high())[1]
    if not won:
        exact = binomtest(lost, 1000).proportion_ci(0.95, method="exact")
        assert -low == pytest.approx(exact.high, rel=0.02)
        assert -low >= exact.high - 1e-5
    assert low < (won - lost) / 1000 < high


def test_figures_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth = rng.choice(3, 400, p=[0.5, 0.3, 0.2])
    before, after = answers(rng, truth), answers(rng, truth, 0.8)
    found = {one.name: one.difference.value for one in judged(truth, before, after).endpoints}
    f1 = f1_score(truth, after, average="macro") - f1_score(truth, before, average="macro")
    assert found["macro-F1"] == pytest.approx(f1)
    recalls = recall_score(truth, after, average=None) - recall_score(truth, before, average=None)
    assert [found[f"recall of {label}"] for label in LABELS] == pytest.approx(recalls)


def test_draws_are_those_of_the_slower_bootstrap():
    """The same spread as drawing whole patients image by image, where strata do not matter."""
    rng = np.random.default_rng(2)
    truth = rng.choice(3, 600)
    before, after = answers(rng, truth), answers(rng, truth)
    patients = [str(one) for one in rng.integers(0, 200, 600)]
    slow = PairedAnswers(EYE[truth], EYE[before], EYE[after], patients).accuracy()
    change = (after == truth).astype(float) - (before == truth)
    drawn = drawn_sums(np.stack([change, np.ones(600)], 1), patients, np.zeros(600, int))
    low, high = interval(drawn[:, 0] / drawn[:, 1])
    assert (low, high) == pytest.approx((slow.low, slow.high), abs=0.005)


def test_drawing_kinds_is_drawing_patients(monkeypatch):
    """Few kinds take the shorter way; sums and their spread stay."""
    rng = np.random.default_rng(8)
    values = np.stack([rng.integers(0, 2, 900), np.ones(900, int)], 1).astype(float)
    names, strata = [str(n) for n in range(900)], np.repeat([0, 1, 2], 300)
    kinds = drawn_sums(values, names, strata, draws=4000)
    monkeypatch.setattr(resampling, "_FEW", 1e9)
    patients = drawn_sums(values, names, strata, draws=4000)
    assert (kinds[:, 1] == 900).all()
    assert kinds.mean(0) == pytest.approx(patients.mean(0), rel=0.005)
    assert kinds[:, 0].std() == pytest.approx(patients[:, 0].std(), rel=0.06)


def test_draws_keep_the_patients_of_each_stratum():
    strata = np.array([0] * 30 + [1] * 5)
    drawn = drawn_sums(np.eye(2)[strata], [str(n) for n in range(35)], strata, draws=50)
    assert (drawn == [30, 5]).all()


def test_images_of_one_patient_count_as_one():
    rng = np.random.default_rng(3)
    truth = np.repeat(rng.choice(3, 100), 6)
    before = truth.copy()
    # Whole patients are lost, and others won.
    wrong = np.repeat(rng.random(100) < 0.1, 6)
    after = np.where(wrong, (truth + 1) % 3, truth)
    patients = np.repeat(np.arange(100), 6).astype(str)
    alone, together = judged(truth, before, after), judged(truth, before, after, patients)
    for one, other in zip(alone.endpoints, together.endpoints, strict=True):
        assert other.difference.value == pytest.approx(one.difference.value)
        assert other.difference.high - other.difference.low > 1.7 * (one.difference.high - one.difference.low)


def test_a_great_loss_is_worse_and_names_the_class():
    truth = np.repeat([0, 1, 2], 200)
    after = truth.copy()
    after[200:240] = 0
    one = judged(truth, truth, after)
    assert (one.verdict, one.needed) == (WORSE, None)
    assert "int8 is worse than float32 by more than" in one.sentence("int8", "float32")
    assert "recall of b -20.0 points" in judged(truth, truth, after, margins=Margins(macro_f1=0.9)).sentence(
        "int8", "float32"
    )


def test_a_lost_point_with_few_images_is_not_told_and_more_images_tell_it():
    """What is said to be needed is enough, if the truth is what was measured."""
    truth = np.repeat([0, 1, 2], 100)
    before, after = truth.copy(), truth.copy()
    for start in (0, 100, 200):
        before[start], after[start + 1] = (truth[start] + 1) % 3, (truth[start] + 1) % 3
    one = judged(truth, before, after)
    assert one.verdict == CANNOT_TELL
    assert f"cannot be told with 300 images; about {one.needed:,} such images would be needed" in one.sentence(
        "int8", "float32"
    )
    times = -(-one.needed // 300)
    assert judged(np.tile(truth, times), np.tile(before, times), np.tile(after, times)).verdict == NOT_WORSE


def test_holm_is_that_of_statsmodels():
    multitest = pytest.importorskip(
        "statsmodels.stats.multitest", reason="statsmodels is the independent implementation"
    )
    p = {"a": 0.011, "b": 0.02, "c": 0.5, "d": 0.001, "e": 0.02}
    assert list(holm(p).values()) == pytest.approx(multitest.multipletests(list(p.values()), method="holm")[1].tolist())


def test_with_many_changes_p_and_interval_are_those_of_statsmodels():
    """The paired z test of a shifted mean (statsmodels' `ztest_mean`) is what both methods come to."""
    stats = pytest.importorskip("statsmodels.stats.weightstats", reason="statsmodels is the independent implementation")
    rng = np.random.default_rng(6)
    truth = np.repeat([0, 1, 2], 4000)
    before, after = answers(rng, truth, 0.85), answers(rng, truth, 0.85)
    found = judged(truth, before, after, margins=Margins(recall=0.02))
    for label, one in enumerate(found.endpoints[1:]):
        has = truth == label
        change = (after[has] == label).astype(float) - (before[has] == label)
        expected = stats.DescrStatsW(change)
        assert one.p_not_worse == pytest.approx(expected.ztest_mean(-0.02, alternative="larger")[1], abs=0.02)
        assert (one.difference.low, one.difference.high) == pytest.approx(expected.zconfint_mean(), abs=0.001)


def test_mcnemar_is_that_of_statsmodels():
    tables = pytest.importorskip(
        "statsmodels.stats.contingency_tables", reason="statsmodels is the independent implementation"
    )
    rng = np.random.default_rng(7)
    truth = rng.choice(3, 300)
    before, after = answers(rng, truth, 0.8), answers(rng, truth, 0.9)
    lost, won, p = PairedAnswers(EYE[truth], EYE[before], EYE[after], [str(n) for n in range(300)]).mcnemar()
    assert p == pytest.approx(tables.mcnemar([[0, lost], [won, 0]], exact=True).pvalue)


def test_one_model_alone_is_decided_more_easily_than_among_seven():
    truth = np.repeat([0, 1, 2], 190)
    seven = verdicts(
        EYE[truth], EYE[truth], {str(n): EYE[truth] for n in range(7)}, LABELS, [str(n) for n in range(570)]
    )
    assert judged(truth, truth, truth).verdict == NOT_WORSE
    assert {one.verdict for one in seven.values()} == {CANNOT_TELL}


def test_labels_that_do_not_exclude_one_another():
    rng = np.random.default_rng(4)
    truth = rng.random((900, 3)) < 0.4
    after = truth ^ (rng.random((900, 3)) < 0.15)
    names = [str(n) for n in range(900)]
    same = verdicts(truth, truth, {"x": truth}, LABELS, names, exclusive=False)["x"]
    assert verdicts(truth, truth, {"x": after}, LABELS, names, exclusive=False)["x"].verdict == WORSE
    assert same.verdict == NOT_WORSE


def test_a_class_without_images_and_a_single_image():
    one = judged(np.array([0, 0, 1]), np.array([0, 2, 1]), np.array([0, 1, 1]))
    assert [end.name for end in one.endpoints] == ["macro-F1", "recall of a", "recall of b"]
    assert judged(np.array([0]), np.array([0]), np.array([1])).verdict == CANNOT_TELL
    json.dumps(one.to_dict("int8", "float32"), allow_nan=False)


@pytest.mark.parametrize("margin", [0, 1, -0.1, float("nan")])
def test_a_margin_is_a_share(margin):
    with pytest.raises(SettingError, match=r"A margin of macro_f1 between 0 and 1 is required\. Got:"):
        Margins(macro_f1=margin)


def test_a_model_that_loses_the_margin_is_seldom_called_not_worse():
    """A small version of python -m studies.verdict: every class loses two points, the hardest case, by losses alone and by flips."""
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], (400, 250, 250))
    false, covered, repeats = 0, [], 40
    for number in range(repeats):
        lost, won = (0.02, 0.0) if number % 2 else (0.05, 0.03)
        before, after = truth.copy(), truth.copy()
        chance = rng.random(len(truth))
        after[chance < lost] = (truth[chance < lost] + 1) % 3
        before[chance > 1 - won] = (truth[chance > 1 - won] + 1) % 3
        one = judged(truth, before, after, draws=500, margins=Margins(macro_f1=0.5))
        false += one.verdict == NOT_WORSE
        covered += [end.difference.low <= -0.02 <= end.difference.high for end in one.endpoints[1:]]
    assert false / repeats <= 0.025 + norm.ppf(0.99) * np.sqrt(0.025 * 0.975 / repeats)
    assert np.mean(covered) > 0.93
