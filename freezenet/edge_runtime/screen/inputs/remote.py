"""Buckets and web servers through fsspec; what a server refuses for the moment is asked again."""

from __future__ import annotations

import logging
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from freezenet.edge_runtime.errors import (
    DataError,
    MissingExtraError,
    SettingError,
    TemporaryError,
    install_hint,
    one_line,
)
from freezenet.edge_runtime.screen.inputs.item import Found, scheme_of

logger = logging.getLogger(__name__)
_Result = TypeVar("_Result")

#: How often a request is made that fails for a reason that may pass, such as 503 Slow Down, and the first pause in seconds;
#: each later one is twice as long, and all are varied by half so that a thousand readers do not come back together.
TRIES, _PAUSE = 6, 0.25
#: Requests of one process at a time: enough to hide the 150 ms that a bucket takes for its first byte.
FETCHERS = 32
#: Status codes of HTTP below 500 that may pass: Request Timeout, Too Early, Too Many Requests.
_BUSY = (408, 425, 429)
_FOR_GOOD = (FileNotFoundError, PermissionError, IsADirectoryError, NotImplementedError, ValueError)
#: Packages that fsspec reaches a service with, where they are no part of the extra.
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs",
             "http": "aiohttp", "https": "aiohttp"}  # fmt: skip
#: What a file name ends in where it has a suffix; the last number of a UID is none.
_SUFFIX = re.compile(r"\.[a-z][a-z0-9_-]{0,9}$", re.IGNORECASE)


def file_system(uri: str) -> tuple[Any, str]:
    """Return fsspec's file system of a URL, and the path in it.

    Raises:
        MissingExtraError: A package that reaches it is not installed.
        SettingError: No such scheme is known.
    """
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"The package fsspec is required for {scheme_of(uri)}://. Got: it is not installed; {install_hint('screen')}."
        ) from None
    try:
        # What a listing holds is used once; kept, ten million names would fill the memory.
        return url_to_fs(uri, use_listings_cache=False, **_options(scheme_of(uri)))
    except ImportError as error:
        package = _PACKAGES.get(scheme_of(uri), "that fsspec names")
        raise MissingExtraError(
            f"The package {package} is required for {scheme_of(uri)}://. Got: {one_line(error, 120)}; run: pip install {package}."
        ) from None
    except ValueError as error:
        raise SettingError(f"A URL that fsspec knows is required. Got: {uri!r:.100}: {one_line(error, 120)}.") from None


def _options(scheme: str) -> dict[str, Any]:
    """Return what a file system is made with beside what fsspec's configuration says: botocore has ten connections unless it is told."""
    from fsspec.config import conf

    if scheme not in ("s3", "s3a"):
        return {}
    return {"config_kwargs": {"max_pool_connections": FETCHERS, **conf.get("s3", {}).get("config_kwargs", {})}}


def patiently(ask: Callable[[], _Result], what: str) -> _Result:
    """Return what a request returns, made again where it fails for a reason that may pass.

    Args:
        ask: Makes the request.
        what: What is asked for, as a sentence names it.

    Raises:
        DataError: It is not there, or it is not allowed.
        TemporaryError: It failed TRIES times.
    """
    pause = _PAUSE
    for attempt in range(1, TRIES + 1):
        try:
            return ask()
        except _FOR_GOOD as error:
            if not _may_pass(error):
                if isinstance(error, FileNotFoundError):
                    sentence = f"An object is required. Got: none of the name {what}; it may have been deleted."
                else:
                    sentence = f"An object that may be read is required. Got: {what}: {_said(error)}."
                raise DataError(sentence) from None
            last = error.__cause__ or error
        except Exception as error:  # each service has failures of its own
            last = error
        if attempt == TRIES:
            raise TemporaryError(
                f"A service that answers is required. Got: {what}, asked for {TRIES} times: {_said(last)}."
            ) from None
        logger.debug("%s: %s; asked again", what, _said(last))
        time.sleep(pause * random.uniform(0.5, 1.5))
        pause *= 2
    raise AssertionError("unreachable")


def _may_pass(error: BaseException) -> bool:
    """Whether fsspec's "not found" stands for a web server that did not answer, or was overloaded."""
    cause = error.__cause__
    status = getattr(cause, "status", None)
    if isinstance(status, int):
        return status >= 500 or status in _BUSY
    return isinstance(cause, OSError) and not isinstance(cause, _FOR_GOOD)


def _said(error: BaseException) -> str:
    return one_line(error, 160) or type(error).__name__


def objects(uri: str, is_image: Callable[[str], bool], passed_over: Counter[str]) -> Iterator[Found]:
    """Yield the images below a URL, or those that a pattern with * matches, in the order of their names.

    Names are fetched folder by folder of the first level, so that memory holds the largest of these.

    Args:
        uri: Of a folder, a pattern, or an object.
        is_image: Whether an object of a name is taken.
        passed_over: Takes how many objects of each suffix were not.
    """
    system, root = file_system(uri)

    def named(entry: dict[str, Any]) -> Iterator[Found]:
        name = str(entry["name"])
        if entry.get("type") == "directory":
            return
        if is_image(name):
            below = name.removeprefix(root).strip("/")
            first = below.partition("/")[0] if "/" in below else None
            yield Found(system.unstrip_protocol(name), first, length=entry.get("size"))
        elif not name.endswith("/"):
            passed_over[suffix(name) or "without suffix"] += 1

    if any(one in root for one in "*?["):
        matched = patiently(lambda: system.glob(root, detail=True), uri)
        for name in sorted(matched):
            yield from named(matched[name])
        return
    entries = patiently(lambda: system.ls(root, detail=True), uri)
    for entry in sorted(entries, key=lambda one: str(one["name"])):
        if entry.get("type") != "directory":
            yield from named(entry)
        elif str(entry["name"]).strip("/") != root.strip("/"):
            folder = str(entry["name"])
            found = patiently(lambda folder=folder: system.find(folder, detail=True), folder)  # type: ignore[misc]
            for name in sorted(found):
                yield from named(found[name])


def suffix(name: str) -> str:
    """Return the suffix of a name in small letters, "" where it has none: that of 1.2.840.10008 is none."""
    found = _SUFFIX.search(name.rpartition("/")[2])
    return found[0].lower() if found else ""
