"""A bucket on this machine, with a server that is overloaded at times, slow at times, and that loses an object."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
s3fs = pytest.importorskip("s3fs", reason="the extra [s3] is not installed")
boto3 = pytest.importorskip("boto3")
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

from freezenet.edge_runtime.errors import DataError  # noqa: E402
from freezenet.edge_runtime.screen.inputs import remote  # noqa: E402

_SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Trouble:
    """A server in front of another one: every 7th GET of an object is 503, every 11th slow, and one object is gone."""

    def __init__(self, application) -> None:
        self.application, self.said, self.lost = application, Counter(), ""
        self._lock = threading.Lock()

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if (
            environ["REQUEST_METHOD"] == "GET"
            and path.count("/") > 1
            and "list-type" not in environ.get("QUERY_STRING", "")
        ):
            with self._lock:
                self.said["get"] += 1
                count = self.said["get"]
            if self.lost and path.endswith(self.lost):
                self.said["lost"] += 1
                start_response("404 Not Found", [("Content-Type", "application/xml")])
                return [b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>"]
            if count % 7 == 0:
                self.said["503"] += 1
                start_response("503 Slow Down", [("Content-Type", "application/xml")])
                return [_SLOW_DOWN]
            if count % 11 == 0:
                self.said["slow"] += 1
                time.sleep(0.5)
        return self.application(environ, start_response)


class Quiet(WSGIRequestHandler):
    """Says nothing."""

    def log(self, *_):
        pass


@pytest.fixture
def bucket(monkeypatch, archive):
    """(URL, server with trouble) of a bucket with the archive's files, and some that are none."""
    trouble = Trouble(moto_server.DomainDispatcherApplication(moto_server.create_backend_app))
    server = make_server("127.0.0.1", 0, trouble, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for name, value in {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_ACCESS_KEY_ID": "test",
                        "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # What another test reached is not there any more.
    s3fs.S3FileSystem.clear_instance_cache()
    client = boto3.client("s3")
    client.create_bucket(Bucket="archive")
    for path in sorted(archive.rglob("*")):
        if path.is_file():
            client.put_object(Bucket="archive", Key=f"xrays/{path.relative_to(archive)}", Body=path.read_bytes())
    client.put_object(Bucket="archive", Key="xrays/one/notes.json", Body=b"{}")
    client.put_object(Bucket="archive", Key="other/far.png", Body=b"not below the prefix")
    yield "s3://archive/xrays", trouble, client
    server.shutdown()


def test_a_bucket_gives_the_rows_of_the_folder(models, bucket, archive, screened_once, tmp_path, screened, comparable):
    url, trouble, _ = bucket
    model = models / "int8.tflite"
    trouble.lost = lost = sorted(path for path in archive.rglob("*.png"))[2].name
    said = screened(model, url, tmp_path / "bucket", "--shard", 10, "--workers", 2)
    assert trouble.said["503"] >= 3 and trouble.said["slow"] >= 2 and trouble.said["lost"] >= 1
    assert "1 file .json" in said["stderr"]
    here, there = comparable(screened_once), comparable(tmp_path / "bucket")
    assert [row["uri"].partition("/xrays/")[2] for row in there] == [
        row["uri"].partition("/archive/")[2] for row in here
    ]
    own = ("uri", "duplicate_of")
    for one, other in zip(here, there, strict=True):
        if other["uri"].endswith(lost):
            assert other["status"] == "not fetched" and "it may have been deleted" in other["error"]
            continue
        if one["duplicate_of"] and one["duplicate_of"].endswith(lost):
            own_answer = ("label", "reason", "status")
            assert [one[key] for key in own_answer] == [other[key] for key in own_answer]
            continue
        assert {key: value for key, value in one.items() if key not in own} == {
            key: value for key, value in other.items() if key not in own
        }
    trouble.lost = ""
    said = screened(model, url, tmp_path / "bucket", "--shard", 10, "--workers", 2, "--retry")
    assert "Of these now: 1 answered" in said["stderr"] and said["finished"]
    again = [{key: value for key, value in row.items() if key not in own} for row in comparable(tmp_path / "bucket")]
    assert again == [{key: value for key, value in row.items() if key not in own} for row in here]


def test_an_archive_in_a_bucket_is_read_in_pieces(models, bucket, archive, tmp_path, screened, rows):
    import io
    import tarfile

    _, _, client = bucket
    stream = io.BytesIO()
    files = sorted(path for path in archive.rglob("*.png"))[:5]
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path in files:
            tar.add(path, path.name)
    client.put_object(Bucket="archive", Key="shard.tar", Body=stream.getvalue())
    screened(models / "int8.tflite", "s3://archive/shard.tar", tmp_path / "out", "--workers", 1)
    assert [row["bytes"] for row in rows(tmp_path / "out")] == [path.stat().st_size for path in files]


class Refused(Exception):
    """What a web server said."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


@pytest.mark.parametrize(
    ("cause", "tries"),
    [(Refused(503), 6), (Refused(429), 6), (Refused(404), 1), (Refused(403), 1), (None, 1), (ConnectionRefusedError(), 6),
     (FileNotFoundError(), 1), (PermissionError(), 1)],
)  # fmt: skip
def test_not_found_may_stand_for_a_server_that_is_down(cause, tries, monkeypatch):
    """As fsspec's http says it, whatever the reason."""
    monkeypatch.setattr(remote, "_PAUSE", 0)
    asked = []

    def ask() -> None:
        asked.append(1)
        raise FileNotFoundError("http://a/b.png") from cause

    said = (
        "A service that answers is required. Got: x, asked for 6 times"
        if tries > 1
        else "An object is required. Got: none of the name x"
    )
    with pytest.raises(DataError, match=said):
        remote.patiently(ask, "x")
    assert len(asked) == tries


def test_no_such_bucket_is_one_sentence(models, bucket, tmp_path, screened):
    said = screened(models / "int8.tflite", "s3://nobody/there", tmp_path / "out", "--workers", 1, code=1)
    assert "An object is required. Got: none of the name s3://nobody/there" in said["stderr"]
