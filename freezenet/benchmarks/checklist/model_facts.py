"""The facts on the model and how it came about."""

from __future__ import annotations

from collections.abc import Callable

from freezenet.benchmarks.checklist.evidence import CONVERSION, RESULTS, Evidence, Fact, shown


def _architecture(found: Evidence) -> list[Fact]:
    recipe, metrics = f"{found.run}recipe.toml", f"{found.run}metrics.json"
    return [
        *found.facts(
            recipe,
            backbone="backbone",
            width="alpha",
            pooling="pooling",
            units_of_the_head="head_units",
            dropout="dropout",
        ),
        *found.facts(metrics, parameters="parameters", outputs="labels"),
    ]


def _software(found: Evidence) -> list[Fact]:
    file = f"{found.run}run.json"
    return found.facts(
        file,
        packages="environment.packages",
        Python="environment.python",
        system="environment.system",
        backend="backend",
    )


def _hardware(found: Evidence) -> list[Fact]:
    file = f"{found.run}run.json"
    return found.facts(file, processor="environment.cpu", cores="environment.cores", machine="environment.machine")


def _initialization(found: Evidence) -> list[Fact]:
    return [
        *found.facts(f"{found.run}run.json", weights="weights", SHA256_of_the_weights="weights_sha256", seed="seed"),
        *found.facts(f"{found.run}recipe.toml", frozen="freeze", frozen_share="freeze_fraction"),
    ]


def _training(found: Evidence) -> list[Fact]:
    file = f"{found.run}recipe.toml"
    recipe = found.content(file) or {}
    settings = {key: value for key, value in recipe.items() if key not in ("name", "summary", "source")}
    chosen = [Fact("every setting", shown(settings), file, "all keys")] if settings else []
    return [
        *chosen,
        *found.facts(
            f"{found.run}metrics.json", epochs="epochs", seconds="seconds", weights_of_the_loss="loss_weights"
        ),
    ]


def _imbalance(found: Evidence) -> list[Fact]:
    recipe, metrics = f"{found.run}recipe.toml", f"{found.run}metrics.json"
    return [
        *found.facts(recipe, loss="loss", sampling="sampling"),
        *found.facts(metrics, weights_of_the_loss="loss_weights", temperature="confidence.temperature"),
    ]


def _selection(found: Evidence) -> list[Fact]:
    rows, file = found.rows("history.csv"), f"{found.run}history.csv"
    losses = [float(row["val_loss"]) for row in rows if row.get("val_loss")]
    told = []
    if losses:
        best = f"{len(rows)}, {losses.index(min(losses)) + 1}"
        told = [Fact("epochs, and the one of least validation loss", best, file, "val_loss")]
    recipe = found.facts(
        f"{found.run}recipe.toml", most_epochs="epochs", patience="patience", weight_average="weight_average"
    )
    return [*recipe, *told]


def _ensemble(found: Evidence) -> list[Fact]:
    here = (found.folder / found.run / "model.keras").is_file()
    return [Fact("networks whose answers are combined", "1", f"{found.run}model.keras", "one network")] if here else []


def _goal(found: Evidence) -> list[Fact]:
    return [
        *found.facts(f"{found.run}recipe.toml", task="task"),
        *found.facts(f"{found.run}metrics.json", classes="labels"),
        *found.facts(RESULTS, compared_with="comparison.reference"),
    ]


def _protocol(found: Evidence) -> list[Fact]:
    return [
        *found.facts(RESULTS, command="command"),
        *found.facts(f"{found.run}run.json", recipe="recipe", seed="seed"),
    ]


def _availability(found: Evidence) -> list[Fact]:
    variants = found.value(CONVERSION, "variants") or {}
    files = [
        Fact(
            f"SHA-256 of {one['file']}",
            one["profiles"]["edge"]["sha256"],
            CONVERSION,
            f"variants.{name}.profiles.edge.sha256",
        )
        for name, one in variants.items()
        if "edge" in one.get("profiles", {})
    ]
    return [*found.facts(f"{found.run}run.json", freezenet="environment.packages.freezenet"), *files]


def _explanation(found: Evidence) -> list[Fact]:
    from freezenet.edge_runtime.card import ModelCard

    for path in sorted((found.folder / "models").glob("*.tflite")):
        outputs = ModelCard.read(path).outputs
        if "cam" in outputs:
            return [
                Fact(
                    "outputs of the model, cam the class activation map",
                    ", ".join(outputs),
                    f"models/{path.name}",
                    "card.json: outputs",
                )
            ]
    return []


def _thresholds(found: Evidence) -> list[Fact]:
    file = f"{found.run}decision.json"
    gates = found.value(file, "gate.gates") or []
    return [
        *found.facts(
            file, task="task", temperature="confidence.temperature", uncertain_below="confidence.abstain_below",
            uncertain_below_by_class="confidence.abstain_below_class", thresholds_of_labels="thresholds",
            risk_asked_for="confidence.risk", threshold_of_the_OOD_gate="gate.threshold",
        ),
        *(
            Fact(f"threshold of the OOD gate, {one['kind']}", shown(one["threshold"]), file, "gate.gates")
            for one in gates
        ),
    ]  # fmt: skip


MODEL_SUBJECTS: dict[str, Callable[[Evidence], list[Fact]]] = {
    "architecture": _architecture,
    "software": _software,
    "hardware": _hardware,
    "initialization": _initialization,
    "training": _training,
    "imbalance": _imbalance,
    "selection": _selection,
    "ensemble": _ensemble,
    "goal": _goal,
    "protocol": _protocol,
    "availability": _availability,
    "explanation": _explanation,
    "thresholds": _thresholds,
}
