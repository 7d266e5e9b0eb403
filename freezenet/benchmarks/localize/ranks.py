"""How sure a sensitivity is whose threshold was chosen on the same patients: by ranks, whatever the scores' distribution.

Let n patients with the finding be drawn, and let the threshold be the k-th largest of their n scores. The share of all patients
with the finding who reach it then follows Beta(k, n + 1 - k), whatever the distribution of the scores (Wilks, Annals of Mathematical Statistics 12, 1941;
David and Nagaraja, Order Statistics, 3rd ed., section 7.2). Its mean is k / (n + 1), so that the rank is chosen as in conformal prediction (Vovk, Gammerman
and Shafer 2005): the next patient is found with at least the wanted probability. The interval below contains Clopper and Pearson's of k of n; choosing the
threshold on the same patients is accounted for, because k is fixed before a score is seen.
"""

from __future__ import annotations

import math

from scipy.stats import beta

_LEVEL = 0.95
#: A sensitivity is called settled where the low end of its interval lies this close to it.
SETTLED = 0.05
_MOST = 100_000


def rank_for(share: float, patients: int) -> int:
    """Return how many of the patients must be found, so that the next one is with probability `share`; more than there are where they are too few."""
    return math.ceil(share * (patients + 1) - 1e-9)


def least_patients(share: float) -> int:
    """Return the smallest number of patients with the finding with which a sensitivity can be chosen."""
    return math.ceil(share / (1 - share) - 1e-9)


def largest_share(patients: int) -> float:
    """Return the largest sensitivity that can be chosen on so many patients, all of whom are found."""
    return patients / (patients + 1)


def sensitivity_interval(found: int, patients: int) -> tuple[float, float]:
    """Return the 95 % interval of the sensitivity at the score of rank `found` of `patients`, both ends 0..1."""
    tail = (1 - _LEVEL) / 2
    low = float(beta.ppf(tail, found, patients - found + 1)) if found else 0.0
    high = float(beta.ppf(1 - tail, found + 1, patients - found)) if found < patients else 1.0
    return low, high


def patients_to_settle(share: float, within: float = SETTLED) -> int:
    """Return with how many patients with the finding the interval's low end is at most `within` below the sensitivity."""

    def settled(patients: int) -> bool:
        rank = rank_for(share, patients)
        return rank <= patients and sensitivity_interval(rank, patients)[0] >= share - within

    low, high = least_patients(share), _MOST
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if settled(middle) else (middle + 1, high)
    return low


def least_answers(risk: float) -> int:
    """Return how many right answers without a wrong one a share of wrong answers takes: (0 + 1) / (n + 1) <= risk."""
    return math.ceil(1 / risk - 1 - 1e-9)
