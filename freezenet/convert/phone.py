"""Which file of a MODELS folder is the one for a phone."""

from __future__ import annotations

from freezenet.convert.folder import Conversion, ModelsFolder
from freezenet.edge_runtime.card import ModelCard

#: From the first choice to the last: integers first, which give the same answers on every phone.
PREFERRED = ("int8", "int8-qat", "mixed", "float16", "float32")


def for_phone(folder: ModelsFolder, conversion: Conversion) -> str | None:
    """Return the sentence that names the file for a phone, or None where no variant is for one, such as with integer ends.

    Args:
        folder: where the files lie.
        conversion: what was written.
    """
    variants = conversion["variants"]
    name = next((one for one in PREFERRED if one in variants), None)
    if name is None:
        return None
    profiles = variants[name]["profiles"]
    path = folder.path / profiles.get("edge", variants[name])["file"]  # type: ignore[typeddict-item]
    content = ModelCard.read(path).content
    if "output" in content:
        return None
    if "gate" in content:
        return f"for a phone: {path} (with the OOD gate, which refuses what is no chest X-ray)"
    if "edge" in profiles:
        return f"for a phone: {path} (no OOD gate in this file: the run has none)"
    return f"for a phone: {path} (no OOD gate in this file; --profile edge writes one with it)"
