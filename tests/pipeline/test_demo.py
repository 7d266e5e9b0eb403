"""The verb demo, as far as the pipeline's own tests do not show it."""

from __future__ import annotations

import pytest

from freezenet.train.files import prepare_output, write_json


@pytest.mark.parametrize("seed", [-1, 2**31])
def test_a_seed_beyond_what_a_recipe_takes_leaves_nothing_behind(command, tmp_path, seed):
    code, _, err = command("demo", "--seed", seed, "--out", tmp_path / "demo")
    assert code == 2 and "0<=x<=2147483647" in err
    assert not list(tmp_path.iterdir())


def test_phantoms_of_another_seed_are_not_gone_on_with(command, tmp_path):
    out = tmp_path / "demo"
    prepare_output(out, "report.html", overwrite=False)
    (out / "data").mkdir()
    (out / "data" / "phantoms.csv").write_text("file,class\n")
    write_json(out / "data" / "seed.json", 0)
    code, _, err = command("demo", "--seed", 3, "--out", out)
    assert code == 1
    assert err.splitlines()[-1] == (
        f"Error: The seed that the phantoms were drawn with is required to go on in {out}. Got: 3 in place of 0; pass --overwrite "
        "or choose another name."
    )
