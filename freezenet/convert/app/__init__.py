"""The phone apps: their sources, which `freezenet export-app` completes with a model."""

from pathlib import Path

#: Sources of the web app; `examples/phone-web` is a link to them.
WEB = Path(__file__).parent / "web"
#: Sources of the Android app; `examples/android` is a link to them.
ANDROID = Path(__file__).parent / "android"
