"""Whether a generator is to be run again: the questions of its last pass, watched."""

from __future__ import annotations

from ramify.pipeline.passing import Wait, signature_of
from ramify.pipeline.progress import COMPLETED, Progress
from ramify.pipeline.sweep import Sweep


class Watch:
    """The answers that a sweep had. `note(key)` is told of each task whose state or result changed, at the
    cost of the questions about that task; `look()` asks everything again. `reason` says why the generator is
    to be run again; None: nothing that it asked has changed.
    """

    def __init__(self, sweep: Sweep, progress: Progress) -> None:
        self._asked = sweep.asked
        self._progress = progress
        self.reason: str | None = None
        self._open: dict[str, list[Wait]] = {}
        self._pending: dict[str, list[tuple[Wait, set[str]]]] = {}
        for wait in sweep.waits:
            if wait.is_open:
                for key in wait.keys:
                    self._open.setdefault(key, []).append(wait)
            elif wait.lacks is None:
                left = set(wait.pending)
                for key in wait.keys:
                    self._pending.setdefault(key, []).append((wait, left))

    def note(self, key: str) -> str | None:
        """Takes in that a task's state or result may have changed; returns the reason."""
        if self.reason is None:
            self.reason = self._ask(key)
        return self.reason

    def look(self) -> str | None:
        """Asks everything again, files too; returns the reason."""
        asked = self._asked
        for keys in (self._open, self._pending, asked.completed, asked.results):
            for key in keys:
                if self.reason is None:
                    self.reason = self._ask(key)
        return self.reason or self.look_at_files()

    def look_at_files(self) -> str | None:
        """Looks at the files that the generator read; returns the reason."""
        if self.reason is None:
            for path, signature in self._asked.files.items():
                if signature_of(path) != signature:
                    self.reason = f"the file {path} changed"
                    break
        return self.reason

    def _ask(self, key: str) -> str | None:
        """Whether an answer about one task is another now, or was the last that a wait lacked."""
        progress, asked = self._progress, self._asked
        state = progress.state(key)
        for wait in self._open.get(key, ()):
            if not wait.is_met_by(state):
                return f"{key} is {state}, and {wait.what} was open"
        for wait, left in self._pending.get(key, ()):
            if not wait.is_met_by(state):
                left.add(key)
                continue
            left.discard(key)
            if not left:
                return f"{wait.what} opens: {key} is {state}"
        if key in asked.completed and asked.completed[key] != (state == COMPLETED):
            return f"{key} is {state}"
        if key in asked.results and asked.results[key] != progress.result(key):
            return f"the result of {key} changed"
        return None
