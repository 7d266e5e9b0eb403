"""The verb `crossval`."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path

import click

from freezenet.train.options import DEFAULT_RECIPE, json_option, out_option, set_option, training_options

logger = logging.getLogger(__name__)

#: Trainings of a recipe below which the command warns of its own tests.
_FEW = 5
#: Folds where sources are left out, too, unless DIR or the data name others.
_FOLDS_BESIDE = 5


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@out_option("DIR", default="crossval")
@click.option(
    "--folds",
    type=click.IntRange(2),
    help="Number of folds; default: that of DIR, of the data, or 10.",
)
@click.option(
    "--recipes",
    default=DEFAULT_RECIPE,
    show_default=True,
    metavar="LIST",
    help="Recipes to compare, with changed keys as NAME+KEY=VALUE+KEY=VALUE, separated by commas.",
)
@click.option(
    "--seeds", default=1, show_default=True, type=click.IntRange(1), help="How many times the folds are drawn."
)
@click.option(
    "--leave-out",
    default="",
    metavar="COLUMN",
    help="Also test each value of a column (source, or any of the CSV) whole, by a training without it; with 5 folds by default.",
)
@click.option(
    "--variants",
    metavar="LIST",
    help="Also convert each fold into these files (float32,int8) and compare them on every image.",
)
@set_option
@training_options
@click.option("--keep-models", is_flag=True, help="Keep model.keras of every fold, so that it can be converted.")
@click.option("--ray", metavar="ADDRESS|local", help="Train folds as tasks on a Ray cluster; needs the extra [ray].")
@click.option("--threads", type=click.IntRange(1), help="Cores of one training; default: all, with --ray one.")
@json_option
def crossval(
    data, out, folds, recipes, seeds, leave_out, variants, settings, options, keep_models, ray, threads, as_json
) -> None:
    """Compare recipes on DATA by cross-validation: means, deviations, tests, a table and a picture.

    A killed call goes on when it is given again; recipes and seeds can be added later. KEY=VALUE settings hold for all recipes.
    """
    from freezenet.train.quiet import quiet

    if threads and not ray:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)  # read when TensorFlow starts
    with quiet():
        from freezenet.benchmarks.compare import REFERENCE
        from freezenet.benchmarks.fold_variants import check_variants, compare_fold_variants
        from freezenet.convert.variants import known_variants
        from freezenet.edge_runtime.names import counted
        from freezenet.train.crossval.plan import CrossValidation
        from freezenet.train.crossval.ray_cluster import on_ray
        from freezenet.train.crossval.transfer import print_transfer
        from freezenet.train.crossval.validation import (
            count_folds,
            cross_validate,
            in_this_process,
            read_data_by_arm,
            refuse_other_verbs,
        )
        from freezenet.train.metrics.figure import Figure
        from freezenet.train.recipes.recipe import load_arms

    arms = load_arms(recipes, settings)
    engine = on_ray(ray, threads or 1) if ray else in_this_process
    names = known_variants(variants) if variants else ()
    if names:
        check_variants(names)
    refuse_other_verbs(out)  # before all images are read
    by_arm = read_data_by_arm(data, arms, skip_unreadable=options.skip_unreadable, leave_out=leave_out)
    folds = count_folds(by_arm, folds, out, _FOLDS_BESIDE if leave_out else None)
    # The folder is emptied as a whole, or not: a fold that was killed goes on.
    of_a_fold = replace(options, overwrite=False)
    asked = CrossValidation(data, arms, folds, tuple(range(seeds)), of_a_fold, keep_models, leave_out)
    # A network that is not converted yet must not be thrown away.
    training = replace(asked, keep_models=keep_models or bool(names))
    summary = cross_validate(training, out, data=by_arm, engine=engine, overwrite=options.overwrite)
    if names:
        summary["variants"] = compare_fold_variants(asked, out, names)
    if as_json:
        click.echo(json.dumps(summary))
        return
    if leave_out:
        print_transfer(summary["transfer"])
    figures = list(summary["comparisons"])
    click.echo(f"mean ± standard deviation over the trainings: {folds} folds, {counted(seeds, 'seed')}")
    width = max(map(len, ["recipe", *summary["recipes"]]))
    click.echo("\t".join(["recipe".ljust(width), "trainings", *(figure.ljust(15) for figure in figures)]).rstrip())
    for arm, found in summary["recipes"].items():
        # A recipe of other classes may lack the one whose recall is shown.
        means = [found.get(name) for name in figures]
        shown = [f"{one['mean']:.4f} ± {one['sd']:.4f}" if one else "-".ljust(15) for one in means]
        click.echo("\t".join([arm.ljust(width), str(found["trainings"]).ljust(9), *shown]).rstrip())
    for arm, found in summary["recipes"].items():
        sure = found["confidence"]
        click.echo(
            f"{arm}: calibration error {Figure(**sure['ece_before'])} before scaling, {Figure(**sure['ece_after'])} after "
            f"({sure['ece_if_calibrated']:.3f} by chance alone); accuracy of the surest 90 % "
            f"{Figure(**sure['accuracy_at_90_coverage'])}"
        )
    for arm, found in summary.get("variants", {}).items():
        for name, one in found.items():
            against = one.get("against_float32")
            line = f"{arm}: {name} on all {one['images']} images: macro-F1 {Figure(**one['macro_f1'])}"
            if against:
                line += (
                    f", against {REFERENCE} {Figure(**against['macro_f1']):+.4f}, "
                    f"{against['flipped']} of {against['answers']} answers changed"
                )
            click.echo(line)
            if "verdict" in one:
                click.echo(f"{arm}: {one['verdict']['sentence']}")
    for sentence in dict.fromkeys(filter(None, summary["elsewhere"].values())):
        click.echo(sentence)
    if any(0 < one["folds"] < _FEW for found in summary["comparisons"].values() for one in found):
        logger.warning(f"Fewer than {_FEW} trainings of a recipe: their p-values rest on very little.")
    for figure, comparisons in summary["comparisons"].items():
        for one in comparisons:
            click.echo(
                f"{figure}: {one['recipe']} - {one['other']}\t{Figure(**one['difference']):+.4f}\t"
                f"p {one['p']:.3f}, adjusted {one['p_adjusted']:.3f}"
            )
