from __future__ import annotations

import subprocess
import sys

import pytest

from freezenet.convert.variants import DEFAULT_VARIANTS, VARIANTS, known_profiles, known_variants
from freezenet.edge_runtime.errors import FreezenetError


def test_known_variants():
    assert known_variants("all") == tuple(VARIANTS)
    assert known_variants(" int8 ,float32,") == ("int8", "float32")
    with pytest.raises(FreezenetError, match="Got: none"):
        known_variants(",")
    with pytest.raises(FreezenetError, match="Got: int4, bf16"):
        known_variants("int8,int4, bf16")
    assert set(DEFAULT_VARIANTS) < set(VARIANTS)


def test_known_profiles():
    assert known_profiles("edge") == ("edge",)
    assert known_profiles(" app, edge,app") == ("app", "edge")
    with pytest.raises(FreezenetError, match=r"Profiles of edge, app are required. Got: phone."):
        known_profiles("edge,phone")
    with pytest.raises(FreezenetError, match="Got: none"):
        known_profiles(",")


def test_naming_the_variants_costs_no_heavy_import():
    code = "import sys, freezenet.convert.cli, freezenet.convert.options; print({'tensorflow', 'keras', 'numpy'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
