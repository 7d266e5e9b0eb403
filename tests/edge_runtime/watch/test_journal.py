"""What is remembered about begun work."""

from __future__ import annotations

import hashlib
import os

from freezenet.edge_runtime.watch.journal import Job, Journal, job_key


def test_a_job_comes_back_as_it_was(tmp_path):
    journal = Journal(tmp_path)
    job = Job(os.fsdecode(b"sub/odd\xff.png"), "ab", "slot.png", begun=True, attempts=2, delivered=True)
    journal.save(job)
    assert journal.load(job.key) == job
    assert list(journal.jobs()) == [job]
    journal.discard(job)
    journal.discard(job)
    assert journal.load(job.key) is None and list(journal.jobs()) == []


def test_the_key_is_that_of_file_and_content():
    assert job_key("a.png", "ab") == hashlib.sha256(b"a.png\0ab").hexdigest()[:24]
    assert len({job_key("a", "bc"), job_key("ab", "c"), job_key("a", "bd")}) == 3


def test_what_is_damaged_or_half_written_is_no_job(tmp_path):
    journal = Journal(tmp_path)
    (tmp_path / "0a.json").write_bytes(b'{"file": "a"')
    (tmp_path / "0b.json").write_bytes(b'{"other": 1}')
    (tmp_path / ".0c.partial.json").write_bytes(b"")
    assert list(journal.jobs()) == []


def test_an_end_while_reading_counts_and_no_other(tmp_path):
    journal = Journal(tmp_path)
    job = Job("a", "ab", "a")
    journal.save(job)
    with journal.reading(job):
        # What a start would find if the process ended here.
        assert journal.load(job.key).attempts == 1
        journal.save(journal.load(job.key))
        assert journal.load(job.key).attempts == 1
        (tmp_path / f"{job.key}.reading").touch()
        assert journal.load(job.key).attempts == 2
    assert journal.load(job.key).attempts == 1
    try:
        with journal.reading(job):
            raise ValueError
    except ValueError:
        assert journal.load(job.key).attempts == 1
