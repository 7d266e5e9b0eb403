"""Who may ask: the token, and the addresses for which one is required."""

from __future__ import annotations

import hmac
import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

from freezenet.edge_runtime.errors import SettingError

#: Environment variable with the token; a command line would show it to every user of the machine.
TOKEN_VARIABLE = "FREEZENET_TOKEN"
#: Shortest token in characters: 16 random hexadecimal digits are 64 bits.
MIN_TOKEN = 16


def read_token(file: Path | None) -> str | None:
    """Return the token of a file or of FREEZENET_TOKEN, None where neither is given; SettingError for a weak one."""
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            token = ""
    elif TOKEN_VARIABLE in os.environ:
        token = os.environ[TOKEN_VARIABLE].strip()
    else:
        return None
    if len(token) < MIN_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise SettingError(
            f"A token of at least {MIN_TOKEN} ASCII characters without blanks is required. Got: another text in "
            f"{file or TOKEN_VARIABLE}; make one with `openssl rand -hex 32`."
        )
    return token


def same_token(expected: str, given: str) -> bool:
    """Whether two tokens are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(expected.encode(), given.encode())


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_allowed(header: str, hosts: frozenset[str] | None) -> bool:
    """Whether the value of a Host header names this server.

    A web page can let its own name point to 127.0.0.1 (DNS rebinding); the browser then sends that name here. hosts:
    names allowed beside this machine's own, or None for any.
    """
    if hosts is None:
        return True
    try:
        name = urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name in hosts


def same_origin(origin: str, host: str) -> bool:
    """Whether the Origin header of a browser's request names the same host and port as its Host header."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower() != ""
    except ValueError:
        return False
