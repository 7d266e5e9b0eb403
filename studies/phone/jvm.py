"""Kotlin on a JVM: the Android core, compiled without Maven and Android SDK.

The network's outputs come from this package, because LiteRT's Android library needs Android.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from freezenet.convert.app import ANDROID
from freezenet.edge_runtime.classifier import Classifier
from studies.tools import MissingToolError, executable, made, run_tool

#: The package that brings a compiler from PyPI.
COMPILER = "kotlin-jupyter-kernel==0.19.0.944"
#: Android's own JSON classes, from Debian's libandroid-json-java.
JSON_JAR = Path("/usr/share/java/com.android.json.jar")
CORE = ANDROID / "core" / "src" / "main" / "kotlin"
PROGRAM = Path(__file__).parent / "programs" / "Ask.kt"
TIMEOUT = 900


def ask(jobs: Sequence[dict[str, Any]], tools: Path) -> list[Any]:
    """Run jobs of Ask.kt, {"task": ..., ...}, and return their answers."""
    java, program, library = executable(("java",), "default-jre-headless"), *compiled(tools)
    path = os.pathsep.join(map(str, (program, library, JSON_JAR)))
    return json.loads(
        run_tool([java, "-cp", path, "AskKt"], "Answers from a JVM", TIMEOUT, text=json.dumps(list(jobs)))
    )


def answers(model: Path, files: Sequence[Path], tools: Path) -> list[dict[str, Any]]:
    """Return the answer for each file; MissingToolError where Java, the compiler or the JSON classes are missing."""
    classifier = Classifier(model)
    content, spec = classifier.card.content, classifier.card.preprocess
    asked = ask([{"task": "decoded", "file": str(file), "size": list(spec.size)} for file in files], tools)
    jobs, scores = [], []
    for one in asked:
        if "error" in one:
            raise MissingToolError(f"Answers from a JVM are required. Got: {one['error']}.")
        pixels = np.array(one["pixels"], np.uint8).reshape(spec.size)
        tensor = spec.network_input(pixels, classifier.interpreter.inputs[0]["dtype"])
        named = dict(zip(content.get("outputs", ["scores"]), classifier.interpreter.invoke(tensor), strict=True))
        features = named["features"][0].tolist() if "features" in named else None
        scores.append(named["scores"][0].tolist())
        given = {"scores": scores[-1], "features": features, "pixels": b64encode(pixels.tobytes()).decode()}
        jobs.append({"task": "decide", "card": content, **given})
    found = ask(jobs, tools)
    return [
        {**one, "sha256": of["sha256"], "scores": score} for one, of, score in zip(found, asked, scores, strict=True)
    ]


@cache
def compiled(tools: Path) -> tuple[Path, Path]:
    """Return the compiled program and Kotlin's library."""
    java = executable(("java",), "default-jre-headless")
    if not JSON_JAR.is_file():
        raise MissingToolError(
            "Android's JSON classes are required. Got: none; run: apt-get install libandroid-json-java."
        )
    home = made(tools / COMPILER.replace("==", "-"), _install)
    (compiler,) = home.glob("run_kotlin_kernel/jars/kotlin-jupyter-kernel-*-all.jar")
    (library,) = home.glob("run_kotlin_kernel/jars/kotlin-stdlib-*.jar")
    folder = TemporaryDirectory(prefix="freezenet-kotlin-")
    _KEPT.append(folder)
    program = Path(folder.name) / "ask.jar"
    sources = [*map(str, sorted(CORE.rglob("*.kt"))), str(PROGRAM)]
    options = ["-no-stdlib", "-no-reflect", "-jvm-target", "11", "-Werror", "-cp", f"{library}{os.pathsep}{JSON_JAR}"]
    compile_it = [
        java,
        "-cp",
        str(compiler),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        *options,
        "-d",
        str(program),
    ]
    done = subprocess.run([*compile_it, *sources], capture_output=True, text=True, check=False, timeout=TIMEOUT)
    if done.returncode:
        raise AssertionError(f"The core does not compile: {done.stderr[-2000:]}")
    return program, library


#: Folders of compiled programs, removed when the process ends.
_KEPT: list[TemporaryDirectory[str]] = []


def _install(folder: Path) -> None:
    # An environment made by another tool may lack pip; any Python's will do, because nothing of the package is imported.
    python = sys.executable if find_spec("pip") else executable(("python3",), "python3-pip")
    options = ["--quiet", "--no-deps", "--disable-pip-version-check", "--no-input", "--target", str(folder)]
    run_tool([python, "-m", "pip", "install", *options, COMPILER], "A Kotlin compiler")
