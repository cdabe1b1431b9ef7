"""What an exception looks like after its journey."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ramify.errors import JobIdError, RemoteError
from ramify.ports import Failure
from ramify.worker.failure import MESSAGE_LIMIT, describe, revive


def caught(act: Any) -> BaseException:
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def sent(error: BaseException) -> Failure:
    """Through the wire, as a worker sends it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(describe(error)), type=Failure)


class Doubling(Exception):
    def __init__(self, name: str) -> None:
        super().__init__(f"bad {name}")


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Keyworded(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__("keyworded")
        self.code = code


def test_the_exception_itself_comes_back_with_its_story() -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer", 3) from inner

    error = revive(sent(caught(fail)))
    assert type(error) is ValueError and error.args == ("outer", 3)
    (note,) = error.__notes__
    assert "KeyError: 'inner'" in note and "direct cause" in note and "in fail" in note


def test_a_constructor_is_not_called_twice() -> None:
    error = revive(sent(Doubling("name")))
    assert type(error) is Doubling and str(error) == "bad name"


@pytest.mark.parametrize(
    "error", [Keyworded(code=3), OSError(2, "no", "file"), JobIdError("no job", job_id="b")]
)
def test_classes_with_their_own_ideas(error: Any) -> None:
    copy: Any = revive(sent(error))
    assert type(copy) is type(error) and str(copy) == str(error)
    for name in ("code", "errno", "filename", "job_id"):
        assert getattr(copy, name, None) == getattr(error, name, None)


def test_what_cannot_travel_is_told() -> None:
    error = Doubling("x")
    error.lock = threading.Lock()  # type: ignore[attr-defined]  # what makes it stay at home
    failure = sent(error)
    assert failure.pickled is None
    copy = revive(failure)
    assert isinstance(copy, RemoteError) and copy.type_name == f"{__name__}.Doubling"
    assert "bad x" in str(copy) and "bad x" in copy.traceback_text


def test_an_exception_that_cannot_be_printed() -> None:
    failure = sent(Mute())
    assert failure.type_name.endswith("Mute") and "RuntimeError" in failure.message


def test_a_class_made_in_main_travels_by_value() -> None:
    made: Any = type("Local", (Exception,), {"__module__": "__main__"})
    copy = revive(sent(made("here")))
    assert type(copy).__name__ == "Local" and str(copy) == "here"


def test_groups_and_notes() -> None:
    group = ExceptionGroup("several", [ValueError("one"), TypeError("two")])
    group.add_note("by the way")
    failure = sent(group)
    assert all(
        text in failure.traceback for text in ("several", "ValueError: one", "TypeError: two", "by the way")
    )
    copy = revive(failure)
    assert isinstance(copy, ExceptionGroup) and [type(e) for e in copy.exceptions] == [ValueError, TypeError]


def test_control_characters_and_lone_surrogates() -> None:
    failure = sent(ValueError("\x1b[31mred\x00 \\x \ud800"))
    assert "\x1b[31mred\x00 \\x \\ud800" in failure.message
    assert "red" in failure.traceback


def test_a_huge_message_is_capped() -> None:
    failure = sent(ValueError("x" * 1_000_000))
    assert len(failure.message) < MESSAGE_LIMIT + 100 and "characters left out" in failure.message


def test_deep_recursion_is_told() -> None:
    def down() -> None:
        down()

    failure = sent(caught(down))
    assert failure.type_name == "RecursionError" and len(failure.full_traceback) < 10_000


def test_our_own_frames_are_cut_and_kept_in_full() -> None:
    failure = describe(caught(lambda: pickle.loads(b"")))
    assert "test_failure.py" in failure.traceback


def test_a_failure_of_this_process_is_the_object() -> None:
    error = Doubling("x")
    failure = describe(error, keep=True)
    assert revive(failure) is error and failure.pickled is None
    assert msgspec.msgpack.encode(failure)  # it can be written down all the same


@given(st.lists(st.one_of(st.text(), st.integers(), st.binary())))
def test_any_arguments(args: list[Any]) -> None:
    copy = revive(sent(ValueError(*args)))
    assert type(copy) is ValueError and copy.args == tuple(args)
