"""The shapes of the JSON that the server answers, from which /openapi.json is made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class PredictionAnswer(_Strict):
    """The answer for one image: the keys of a line of `freezenet predict --json`, and the request's id."""

    request_id: str = Field(description="Stands in the access log, too.")
    label: str | None = Field(
        description="The most probable class; classes joined by ';' for multi-label models; null where the model abstains."
    )
    probabilities: dict[str, float] | None = Field(
        description="Class to calibrated probability, 0..1, in the model's order; null where chest_xray is false."
    )
    chest_xray: bool | None = Field(
        description="Whether the OOD gate takes the image for a chest X-ray; null where the model has no gate."
    )
    abstained: bool = Field(description="Whether the model gives no label.")
    reason: Literal["not a chest X-ray", "uncertain"] | None = Field(description="Why there is no label.")
    timings_ms: dict[str, float] = Field(description="Milliseconds of decode, preprocess, invoke and overlay.")
    model: str = Field(description="File name of the model.")
    model_sha256: str
    card_sha256: str
    runtime: str = Field(description="Interpreter and version.")
    trace: dict[str, Any] = Field(description="Who answered, with which model, by which rule, which input, when.")
    overlay_png: str | None = Field(default=None, description="With cam=true: the class activation map laid over the image, a PNG file in base64; null where this is not a chest X-ray.")  # fmt: skip
    preview_jpeg: str | None = Field(default=None, description="With preview=true: the gray values that were read, a JPEG file in base64.")  # fmt: skip


class Limits(_Strict):
    """What a request may hold."""

    max_bytes: int
    max_pixels: int


class ModelAnswer(_Strict):
    """The model that answers."""

    model: str = Field(description="File name of the model.")
    model_sha256: str
    card_sha256: str
    runtime: str
    shows_evidence: bool = Field(description="Whether cam=true is answered.")
    stores_images: bool = Field(description="Whether the server was told to keep the images it receives.")
    limits: Limits
    card: dict[str, Any] = Field(description="The model card inside the file.")


class Status(_Strict):
    """The server's own state."""

    status: Literal["ok", "ready"]


class ErrorAnswer(_Strict):
    """Why there is no answer."""

    error: str = Field(description="One sentence: what is required, what came, what to do.")
    request_id: str
