"""The application: which path answers what."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from freezenet.edge_runtime.errors import FreezenetError, ModelError
from freezenet.edge_runtime.server.access import same_token
from freezenet.edge_runtime.server.errors import BusyError, RequestError
from freezenet.edge_runtime.server.guard import AccessLog, Guard, error_answer
from freezenet.edge_runtime.server.intake import FIELD, Intake, keep
from freezenet.edge_runtime.server.metrics import Metrics
from freezenet.edge_runtime.server.schema import ErrorAnswer, ModelAnswer, PredictionAnswer, Status
from freezenet.edge_runtime.server.settings import ServerSettings
from freezenet.edge_runtime.server.workers import Answer, Workers

PAGE = Path(__file__).parent / "page"
_PAGE_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/results.js": ("results.js", "text/javascript"),
    "/server.js": ("server.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": _BINARY,
            "application/dicom": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _BINARY["schema"]}}
            },
        },
    }
}
_BEARER = HTTPBearer(auto_error=False, description="Required where the server was given a token.")
#: Why a prediction is refused.
_REFUSALS = {
    400: "The multipart body is broken or has no file.",
    408: "The body came too slowly.",
    413: "The file or the image is too large.",
    415: "The media type is none of an image.",
    422: "The image cannot be used.",
    503: "The queue is full or the server is not warm yet; Retry-After says when to ask again.",
    504: "There was no answer within the time limit.",
    507: "The image could not be kept, which the server was told to do.",
}


def create_app(
    workers: Workers,
    settings: ServerSettings = ServerSettings(),
    *,
    log: AccessLog | None = None,
    when_warm: Callable[[FreezenetError | None], object] = lambda failure: None,
) -> FastAPI:
    """Return the ASGI application around workers, which it warms up at its start and stops at its end.

    Args:
        workers: Answer.
        settings: Limits and doors.
        log: Gets a line for each request; default: text on stdout.
        when_warm: Called once with None, or with the reason for which the model cannot answer.
    """
    intake = Intake(settings, workers.retry_after)
    metrics = Metrics(workers, intake)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async def warm_up() -> None:
            failure = None
            try:
                await asyncio.to_thread(workers.warm_up)
            except FreezenetError as error:
                failure = error
            except Exception as error:  # whatever an interpreter raises
                failure = ModelError(
                    f"A model that can answer is required. Got: {type(error).__name__} in the first inference."
                )
            when_warm(failure)

        warming = asyncio.create_task(warm_up())
        yield
        await warming
        await asyncio.to_thread(workers.stop)

    app = FastAPI(
        title="freezenet",
        version=version("freezenet"),
        description="One chest X-ray model. Research software, not a medical device.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )

    async def may_ask(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]) -> None:
        if settings.token is not None and (given is None or not same_token(settings.token, given.credentials)):
            raise RequestError(
                401,
                "A valid token in the header Authorization: Bearer is required. Got: none or another.",
                {"WWW-Authenticate": "Bearer"},
            )

    guarded: dict[str, Any] = {
        "dependencies": [Depends(may_ask)],
        "responses": {401: {"model": ErrorAnswer, "description": "The token is missing or wrong."}},
    }
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": text} for status, text in _REFUSALS.items()
    }

    @app.post(
        "/v1/predict",
        response_model=PredictionAnswer,
        response_model_exclude_unset=True,
        summary="Classify one X-ray",
        openapi_extra=_BODY,
        dependencies=guarded["dependencies"],
        responses={**guarded["responses"], **refusals},
    )
    async def predict(
        request: Request,
        cam: Annotated[bool, Query(description="Also answer overlay_png.")] = False,
        preview: Annotated[bool, Query(description="Also answer preview_jpeg.")] = False,
    ) -> dict[str, Any]:
        if cam and not workers.has_cam:
            raise RequestError(422, "A model with a class activation map is required for cam=true. Got: one without.")
        request_id = request.state.request_id
        async with intake.image(request) as image:
            answer = await _answer(request, workers, image, cam, preview, settings.answer_seconds)
            metrics.count_answer(answer)
            if settings.store is not None:
                try:
                    await asyncio.to_thread(keep, settings.store, request_id, image)
                except OSError as error:
                    metrics.store_failures.inc()
                    raise RequestError(
                        507,
                        f"A folder that takes the image is required. Got: {error.strerror or type(error).__name__}.",
                    ) from None
            digest = await asyncio.to_thread(lambda: hashlib.sha256(image).hexdigest())
        found = {
            "request_id": request_id,
            **answer.prediction.to_dict(),
            **workers.identity,
            "trace": workers.trace(input_sha256=digest),
        }
        if cam:
            found["overlay_png"] = _base64(answer.prediction.overlay)
        if preview:
            found["preview_jpeg"] = _base64(answer.preview)
        return found

    @app.get("/v1/model", response_model=ModelAnswer, summary="The model that answers, its card and limits", **guarded)
    async def model() -> dict[str, Any]:
        return {
            **workers.identity,
            "shows_evidence": workers.has_cam,
            "stores_images": settings.store is not None,
            "limits": {"max_bytes": settings.max_bytes, "max_pixels": settings.max_pixels},
            "card": workers.card.content,
        }

    @app.get("/healthz", response_model=Status, summary="Whether the process answers")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        response_model=Status,
        summary="Whether images are taken: after the warm-up, while not all workers are stuck",
        responses={503: {"model": ErrorAnswer, "description": "The workers are not warm, or all are stuck."}},
    )
    async def readyz() -> dict[str, str]:
        if workers.stuck >= workers.count:
            raise BusyError(
                f"A worker that answers is required. Got: {workers.stuck} workers that are stuck; restart the server.",
                30,
            )
        if not workers.ready:
            raise BusyError("A server that is warm is required. Got: one that just started; ask again.", 1)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response, summary="Figures in Prometheus' text format", **guarded)
    async def figures() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    for path, (file, media_type) in _PAGE_FILES.items():
        app.add_api_route(path, _page_file(PAGE / file, media_type), include_in_schema=False)

    _answer_errors_as_json(app)
    paths = frozenset({app.openapi_url or "", *(getattr(route, "path", "") for route in app.routes)})
    app.add_middleware(Guard, paths=paths, hosts=settings.hosts, metrics=metrics, log=log or AccessLog())
    app.state.metrics = metrics
    app.state.intake = intake
    return app


async def _answer(request: Request, workers: Workers, image: bytes, cam: bool, preview: bool, seconds: float) -> Answer:
    """Wait for a worker's answer, for a client that goes away, or for the time limit."""
    submitted = workers.submit(image, overlay=cam, preview=preview)
    work = asyncio.wrap_future(submitted)
    gone = asyncio.ensure_future(request.receive())  # after the body, the next message is the client's end
    tasks: list[asyncio.Future[Any]] = [work, gone]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise RequestError(499, "A client that waits is required. Got: one that went away.")
        raise RequestError(
            504,
            f"An answer within {seconds:g} seconds is required. Got: none, because the image is too much work or the "
            "machine too busy; ask again.",
        )
    finally:
        submitted.is_abandoned = True
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await gone


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _page_file(path: Path, media_type: str) -> Callable[[], Any]:
    content = path.read_bytes()

    async def page_file() -> Response:
        return Response(content, media_type=media_type)

    return page_file


def _answer_errors_as_json(app: FastAPI) -> None:
    async def refused(request: Request, error: Exception) -> JSONResponse:
        return error_answer(_request_error(error), request.state.request_id)

    for kind in (FreezenetError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, refused)


def _request_error(error: Exception) -> RequestError:
    if isinstance(error, RequestError):
        return error
    if isinstance(error, HTTPException):
        return RequestError(
            error.status_code,
            f"A path and method of /openapi.json are required. Got: {error.detail.lower()}.",
            error.headers,
        )
    if isinstance(error, RequestValidationError):
        return RequestError(422, "Query parameters as in /openapi.json are required. Got: other values.")
    return RequestError(422, str(error))
