"""The engine of a watched folder: each finished file is answered once, delivered, and filed away.

The steps for a file, each of which can be the last before a kill or a power cut; the next start goes on behind it:

    job written -> answer computed -> OUTBOX/<name>.json written (the commit) -> delivered -> file moved -> job taken away

An answer is computed again only where the process ended before the commit; the file may be what ended it, so it is then tried in a process
of its own first (`watch.examine`). A delivery is made again only where the process ended between it and its note.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from freezenet.edge_runtime.classifier import Classifier, answer_line
from freezenet.edge_runtime.errors import FreezenetError, ModelError, SettingError
from freezenet.edge_runtime.integrity.hashes import sha256_file
from freezenet.edge_runtime.integrity.trace import Tracer
from freezenet.edge_runtime.system.talk import printable
from freezenet.edge_runtime.watch.arrivals import ASIDE, Arrival, Arrivals
from freezenet.edge_runtime.watch.examine import examine
from freezenet.edge_runtime.watch.journal import Job
from freezenet.edge_runtime.watch.listener import Listener, Outcome
from freezenet.edge_runtime.watch.outbox import PROCESSED, REJECTED, Outbox
from freezenet.edge_runtime.watch.settings import WatchSettings
from freezenet.edge_runtime.watch.trouble import FolderTrouble, next_delay, system_message, trouble_at
from freezenet.edge_runtime.watch.turns import Answered, Turns, Waits

#: Seconds of work after which the inbox is looked at again.
_ROUND = 2.0
#: Looks after which nobody waits any longer for a file that was set aside to get its name back.
_LOOKS_FOR_ASIDE = 3


class Watcher:
    """A watched inbox and its outbox; not thread-safe, and one at a time for an outbox.

    Args:
        classifier: Answers.
        inbox: Folder that files arrive in.
        outbox: Folder for the answers; neither lies in the other.
        settings: How the inbox is watched.
        deliver: Called with the file, still in the inbox, its answer (the JSON object of OUTBOX/<name>.json; "overlay" in it
            is relative to the outbox) and that <name>, which no other content has, before the file is filed away. Where it raises, the file
            stays and is delivered 1 to 30 s later; of a FreezenetError the message is said, else the type. May be called twice for one answer.
        listener: Told of each file that is done and of troubles. No sentence names a file unless `settings.names`.
        service, about: Name of this watcher in the trace of an answer; returns, for a file's bytes, what else stands in it, and never raises.

    Raises:
        SettingError: The folders overlap.
        ModelError: An overlay is asked for of a model that has none.
    """

    def __init__(
        self,
        classifier: Classifier,
        inbox: Path,
        outbox: Path,
        settings: WatchSettings = WatchSettings(),
        *,
        deliver: Callable[[Path, dict[str, Any], str], object] | None = None,
        listener: Listener | None = None,
        service: str = "watch",
        about: Callable[[bytes], dict[str, Any]] | None = None,
    ) -> None:
        """Nothing is touched yet."""
        inner, outer = Path(os.path.realpath(inbox)), Path(os.path.realpath(outbox))
        if inner == outer or inner in outer.parents or outer in inner.parents:
            raise SettingError(
                f"An inbox and an outbox of which neither lies in the other are required. Got: {inbox} and {outbox}."
            )
        if settings.overlay:
            classifier.require_cam()
        self.classifier, self.settings = classifier, settings
        self.deliver, self.listener = deliver, listener or Listener()
        self.about, self._trace = about, Tracer(classifier, service)
        self.arrivals, self.outbox = Arrivals(inbox, settings.settle), Outbox(outbox)
        self._turns, self._more, self._waits = Turns(), False, Waits()
        self._said: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set; the file under work is finished first.

        A trouble of a folder is said when it begins and when it ends, and waited out. FreezenetError where another process
        watches for the same outbox.
        """
        trouble, delay = "", 0.0
        try:
            while not stop.is_set():
                try:
                    done = self.process_once(stop)
                except FolderTrouble as error:
                    if str(error) != trouble:
                        self.listener.say(f"{error} Waiting for it; nothing is lost.")
                    trouble, delay = str(error), next_delay(delay)
                    stop.wait(delay)
                    continue
                if trouble and (done or not self.unsettled()):
                    self.listener.say("The folders can be used again; going on.")
                    trouble, delay = "", 0.0
                self._rest(stop)
        finally:
            self.close()

    def run_out(self, stop: threading.Event) -> int:
        """Process what is in the inbox now and return how many of these files stayed there; FolderTrouble ends it."""
        present: set[str] | None = None
        looks = 0
        try:
            while True:
                self.process_once(stop)
                looks += 1
                # What a kill set aside gets its name back at the first look, unless somebody sees to it that it cannot.
                if present is None and (not self.arrivals.aside or looks == _LOOKS_FOR_ASIDE):
                    present = set(self.arrivals.names())
                if stop.is_set() or (present is not None and not present & set(self.unsettled())):
                    return len((present or set()) & set(self.arrivals.names()))
                self._rest(stop)
        finally:
            self.close()

    def _rest(self, stop: threading.Event) -> None:
        """Wait for the next look at the inbox; not where the last one left something to do."""
        if not self._more:
            stop.wait(self.settings.interval)

    def claim(self) -> None:
        """Make the outbox ours now and not at the first look; FreezenetError where it cannot be."""
        self.arrivals.look()
        with trouble_at("outbox", self.outbox.folder):
            self.outbox.open(self.arrivals.inbox)

    def close(self) -> None:
        """Let another process have the outbox."""
        self.outbox.close()

    def unsettled(self) -> list[str]:
        """Return the files of the last look that were not tried yet, because they may still be written."""
        return [name for name in self.arrivals.names() if name not in self._waits]

    def process_once(self, stop: threading.Event | None = None) -> int:
        """Look at the inbox and do what can be done now; return the number of files that are done.

        Where that is more than a few seconds' work, the rest is left for the next look, so that what arrives meanwhile gets
        its turn. Raises FolderTrouble where a folder cannot be used; everything done until then stays done.
        """
        self.listener.alive()
        self._more, started = False, time.monotonic()
        self.claim()
        self._put_back()
        self._forget_waits()
        looked = time.monotonic()
        # A look at very many files takes time itself.
        done, end = 0, looked + max(_ROUND, 10 * (looked - started))
        ready = [name for name in self.arrivals.finished() if self._waits.may_be_tried(name)]
        # What may end the process comes last, so that it keeps no other waiting.
        for tried, name in enumerate(self._turns.of(ready, last=self.outbox.suspects)):
            if stop is not None and stop.is_set():
                return done
            # At least one, however long the look itself took: else a slow disk would have nothing but looks.
            if tried and time.monotonic() > end:
                self._more = True
                break
            done += self._try(name, self._process)
        # One failure ends the round: a receiver that is away costs each look one try.
        for name in self._waits.undelivered():
            if stop is not None and stop.is_set():
                return done
            delivered = self._try(name, self._deliver)
            done += delivered
            if not delivered:
                break
        return done

    def _try(self, name: str, step: Callable[[str], Outcome | None]) -> bool:
        """Do a step; where the file itself is in the way, it is tried again later and holds up no other."""
        self.listener.alive()
        try:
            outcome = step(name)
        except OSError as error:
            self._postpone(name, f"A file in the inbox cannot be read, answered or moved: {system_message(error)}.")
            return False
        if outcome is None:
            return False
        self._waits.done(name)
        self.arrivals.forget(name)
        self.listener.done(outcome)
        return True

    def _process(self, name: str) -> Outcome | None:
        arrival = self.arrivals.take(name)
        if arrival is None:
            return None
        with trouble_at("outbox", self.outbox.folder):
            self.outbox.open(self.arrivals.inbox)
            job = self.outbox.find(name, arrival.sha256)
            kind, record = self.outbox.settled(job) or self._judge(arrival, job)
        # What was read is not needed any more.
        arrival = replace(arrival, content=None)
        if kind == PROCESSED and self.deliver is not None and not job.delivered:
            self._waits.to_deliver(name, (arrival, job, record))
            return None
        return self._file_away(arrival, job, kind, record)

    def _judge(self, arrival: Arrival, job: Job) -> tuple[str, dict[str, Any]]:
        """Write the answer, or why there is none; return PROCESSED or REJECTED and what was written."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        told = {"input_sha256": arrival.sha256, "input_bytes": arrival.size, "time": now}
        try:
            self.outbox.begin(job)
            try:
                with self.outbox.journal.reading(job):
                    prediction = examine(self.classifier, arrival, job.attempts, self.settings.overlay)
                more = self.about(arrival.content) if self.about and arrival.content else {}
            except ModelError:  # the fault of no file: the service ends, and the inbox keeps them
                raise
            except FreezenetError as error:
                reason = {"file": arrival.name, "error": str(error), **told}
                self.outbox.write_reason(job, reason)
                return REJECTED, reason
            shown = self.outbox.overlay_name(job) if prediction.overlay is not None else None
            trace = self._trace(input_sha256=arrival.sha256, time=now)
            answer = {**answer_line(arrival.name, prediction, self.classifier, shown, trace=trace), **told, **more}
            self.outbox.write_answer(job, answer, prediction.overlay)
            return PROCESSED, answer
        except OSError:
            # The file is not to blame, so this was no attempt.
            with suppress(OSError):
                self.outbox.abandon(job)
            raise

    def _deliver(self, name: str) -> Outcome | None:
        wait = self._waits[name]
        assert wait.answered is not None and self.deliver is not None
        arrival, job, record = wait.answered
        if not job.delivered:
            try:
                self.deliver(arrival.path, record, job.slot)
            except Exception as error:
                what = str(error) if isinstance(error, FreezenetError) else type(error).__name__
                self._postpone(name, f"An answer cannot be delivered: {what.rstrip('.')}.", wait.answered)
                return None
            job = replace(job, delivered=True)
            # Before it is noted on a disk that may be full.
            wait.answered = (arrival, job, record)
            with trouble_at("outbox", self.outbox.folder):
                self.outbox.note_delivered(job)
        return self._file_away(arrival, job, PROCESSED, record)

    def _file_away(self, arrival: Arrival, job: Job, kind: str, record: dict[str, Any]) -> Outcome | None:
        with trouble_at("outbox", self.outbox.folder):
            self.outbox.remember(job)
        # Out of reach of who might write a new file of the same name, before it is looked at for the last time.
        aside = arrival.path.with_name(f"{ASIDE}{job.key}")
        try:
            os.rename(arrival.path, aside)
        except FileNotFoundError:
            return None
        seen = os.stat(aside)
        known = (arrival.size, arrival.signature[1], arrival.inode)
        if (seen.st_size, seen.st_mtime_ns, seen.st_ino) != known and sha256_file(aside) != arrival.sha256:
            return None
        with trouble_at("outbox", self.outbox.folder):
            self.outbox.file_away(job, aside, kind)
        return Outcome(arrival.name, arrival.sha256, kind == REJECTED, record)

    def _put_back(self) -> None:
        """Give files that were set aside, but not filed away, their names again."""
        for aside in self.arrivals.aside:
            key = aside.name.removeprefix(ASIDE)
            job = self.outbox.journal.load(key)
            try:
                self.arrivals.put_back(aside, Path(job.file).name if job else f"recovered-{key}")
            except OSError as error:
                self._once(f"A file in the inbox cannot be moved: {system_message(error)}.")

    def _postpone(self, name: str, reason: str, answered: Answered | None = None) -> None:
        self._waits.postpone(name, answered)
        self._once(f"{reason} ({printable(name)})" if self.settings.names else reason)

    def _once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.listener.say(f"{sentence} Trying again until it goes.")

    def _forget_waits(self) -> None:
        """Drop what waited for a file that is gone or has another content, and what may be said again."""
        self._waits.forget_changed(self.arrivals.signature)
        if not self._waits and not self.arrivals.aside:
            self._said.clear()
        for refusal in self.arrivals.refusals:
            self._once(f"A folder in the inbox cannot be read: {refusal}.")
