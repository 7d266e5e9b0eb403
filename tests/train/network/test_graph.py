"""The walker against brute force: a node is a bottleneck where no other output is still needed behind it."""

from __future__ import annotations

import keras
import numpy as np

from freezenet.train.network.graph import bottlenecks, inputs_of, layer_sources, source_names


def brute_force(sources: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the nodes at whose place in the order nothing earlier is still to be used."""
    names = list(sources)
    return [
        name
        for index, name in enumerate(names[:-1])
        if not any(
            source in names[:index] for later in names[index + 1 :] for source in sources[later] if source != name
        )
    ]


def test_bottlenecks_of_random_graphs():
    rng = np.random.default_rng(0)
    for _ in range(200):
        names = [f"n{number}" for number in range(rng.integers(2, 12))]
        sources = {
            name: tuple(
                {names[max(0, index - 1 - int(rng.geometric(0.6) - 1))] for _ in range(rng.integers(1, 3))}
            ) if index else ()
            for index, name in enumerate(names)
        }  # fmt: skip
        assert bottlenecks(sources) == brute_force(sources)


def test_a_part_of_a_network_ignores_what_comes_from_outside():
    assert bottlenecks({"b": ("a",), "c": ("b",), "d": ("c", "b"), "e": ("d",)}) == ["b", "d"]


def test_sources_are_those_of_the_network_in_which_a_layer_was_built():
    image = keras.Input((8, 8, 3), name="image")
    first = keras.layers.Conv2D(3, 3, padding="same", name="first")(image)
    added = keras.layers.Add(name="added")([first, image])
    model = keras.Model(image, keras.layers.Flatten(name="flat")(added))
    keras.Model(added, model.output)  # cut out: the same layers get further nodes
    assert layer_sources(model) == {"image": (), "first": ("image",), "added": ("first", "image"), "flat": ("added",)}
    assert source_names(model.get_layer("added")) == ("first", "image")
    assert inputs_of(model.get_layer("image")) == []
    assert bottlenecks(layer_sources(model)) == ["image", "added"]
