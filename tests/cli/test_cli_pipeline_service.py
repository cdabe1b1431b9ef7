"""`ramify service`: instances of several pipelines, one of them bad, one that comes later, and the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_calls import Call
from pipeline_project import states

from ramify.errors import ArgumentError, DeclarationTypeError
from ramify.pipeline import PipelineType, create_pipeline
from ramify.pipeline.service import instance_state, kinds_from, set_instance_state

GUARD = 30
CONF = """
import json
from ramify.pipeline import PipelineType, create_pipeline

def good(dsl):
    yield dsl.task("a").outputs(f=dsl.file("f")).calls('cp "$__pipeline_instance_dir/args.json" "$f"')()

def other(dsl):
    yield dsl.task("slow").calls('''
        if [ -p "$__pipeline_instance_dir/go" ]; then
            echo begun > "$__pipeline_instance_dir/go"
            cat "$__pipeline_instance_dir/end" > got
        fi
    ''')()
    if dsl.file_in_pipeline_instance_dir("bad", must_exist=False).exists():
        raise ValueError("this instance is bad")

def check(path, args):
    if args.get("depth") == 0:
        raise ValueError("depth 0 makes no sense")

def complete(path):
    open(f"{path}/was-complete", "w").close()

def conf():
    yield "goods", PipelineType(
        "good", create_pipeline(good), validator=check, complete_func=complete, default_args={"depth": 3}
    )
    yield "others", PipelineType("other", create_pipeline(other))
"""


@pytest.fixture
def folders(project: Path) -> Path:
    (project / "conf.py").write_text(CONF)
    for folder in ("goods/g1", "others/o1", "others/o2"):
        (project / folder).mkdir(parents=True)
    return project


@pytest.fixture
def service(folders: Path) -> Iterator[Service]:
    made = Service(folders)
    yield made
    made.end()


class Service:
    """A service in a process of its own; its log is read line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.lines: list[str] = []
        self._came = threading.Condition()

    def start(self, *words: str) -> None:
        command = [sys.executable, "-m", "ramify", "service", "--config-generator", "conf.py:conf"]
        self.process = subprocess.Popen(
            [*command, "--sleep-schedule", "0,0.1", *words],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True).start()

    def _read(self, stream: Iterator[str]) -> None:
        for line in stream:
            with self._came:
                self.lines.append(line)
                self._came.notify_all()

    def hears(self, words: str) -> bool:
        """Waits until a line says this."""
        with self._came:
            return self._came.wait_for(lambda: any(words in line for line in self.lines), GUARD)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        return self.process.wait(GUARD)


@pytest.mark.slow
def test_instances_of_two_kinds_and_a_bad_one(folders: Path, service: Service) -> None:
    (folders / "others/o2/bad").touch()
    for path in ("goods/g1", "others/o1", "others/o2"):
        set_instance_state(str(folders / path), "ready")
    service.start()
    assert service.hears("g1 is completed") and service.hears("o1 is completed")
    assert service.hears("o2 is in state error") and service.hears("this instance is bad")
    assert any("Traceback" in line for line in service.lines)
    assert instance_state(str(folders / "others/o2")) == "error"
    assert (folders / "goods/g1/output/a/f").read_text() == '{\n  "depth": 3\n}'
    assert (folders / "goods/g1/was-complete").exists()
    (folders / "goods/later é").mkdir()
    (folders / "goods/refused").mkdir()
    (folders / "goods/refused/args.json").write_text('{"depth": 0}')
    for name in ("later é", "refused"):
        set_instance_state(str(folders / "goods" / name), "ready")
    assert service.hears("later é is completed")
    assert service.hears("depth 0 makes no sense") and states(folders / "goods/refused") == {}
    (folders / "others/o2/bad").unlink()
    set_instance_state(str(folders / "others/o2"), "ready")
    assert service.hears("o2 is completed")
    assert service.end() == 0


@pytest.mark.slow
def test_the_end_leaves_tasks_running_and_the_next_waits_for_them(folders: Path, service: Service) -> None:
    instance = folders / "others/o1"
    for name in ("go", "end"):
        os.mkfifo(instance / name)
    set_instance_state(str(instance), "ready")
    service.start()
    assert (instance / "go").read_text() == "begun\n"
    assert service.end() == 0
    assert instance_state(str(instance)) == "ready" and states(instance) == {"slow": "step-started.0"}
    (instance / "go").unlink()  # a second start would do nothing, and leave no `got`
    service.start()
    (instance / "end").write_text("so it was")
    assert service.hears("o1 is completed")
    assert (instance / "output/slow/got").read_text() == "so it was"
    assert (instance / ".ramify/slow/ramify.log").read_text().count(" completed") == 1


@pytest.mark.slow
def test_what_a_killed_service_was_running_is_taken_up(folders: Path, service: Service) -> None:
    set_instance_state(str(folders / "goods/g1"), "running")
    service.start("--exit-on-parent-death")
    assert service.hears("g1 was left running") and service.hears("g1 is completed")


@pytest.mark.slow
def test_logging_is_configured_by_a_file(folders: Path, service: Service) -> None:
    log = folders / "service.log"
    (folders / "logging.json").write_text(
        '{"version": 1, "handlers": {"file": {"class": "logging.FileHandler", "filename": "service.log"}},'
        ' "root": {"level": "INFO", "handlers": ["file"]}}'
    )
    os.mkfifo(folders / "others/o1/go")
    (folders / "others/o1/end").touch()
    service.start("--log-conf", "logging.json", "-pid", "others/o1")
    assert (folders / "others/o1/go").read_text() == "begun\n"
    assert service.end() == 0
    assert "is run by process" in log.read_text()


def test_a_configuration_is_checked(call: Call, folders: Path) -> None:
    assert call("service").code == 2
    (folders / "bad.py").write_text("def none():\n    yield from ()\ndef wrong():\n    yield 'x'\nn = 3\n")
    assert call("service", "--config-generator", "bad.py:n").code == 3
    assert "nothing to look after" in call("service", "--config-generator", "bad.py:none").err
    assert "yielded 'x'" in call("service", "--config-generator", "bad.py:wrong").err
    (folders / "log.ini").write_text("[what]\n")
    said = call("service", "--config-generator", "conf.py:conf", "--log-conf", "log.ini")
    assert said.code == 3 and "no configuration of logging" in said.err


def test_kinds_are_folders_and_types(tmp_path: Path) -> None:
    def flow(dsl):  # type: ignore[no-untyped-def]  # as a user writes it
        yield dsl.task("a").calls("true")()

    kind = PipelineType("k", create_pipeline(flow))
    assert kinds_from(lambda: [(tmp_path, kind)]) == [(str(tmp_path), kind)]
    with pytest.raises(ArgumentError):
        kinds_from(list)
    with pytest.raises(DeclarationTypeError):
        kinds_from(lambda: [kind])  # type: ignore[list-item]  # that is the slip


def test_an_instance_has_one_state(tmp_path: Path) -> None:
    path = str(tmp_path)
    assert instance_state(path) is None
    for name in ("ready", "running", "error"):
        set_instance_state(path, name)
        assert instance_state(path) == name
        assert os.listdir(tmp_path / ".ramify") == [f"state.{name}"]


def test_a_folder_that_is_not_there_is_told_once_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from ramify.pipeline import service

    place = tmp_path / "soon"
    kind = PipelineType("kind", create_pipeline(lambda dsl: iter(())))
    made = service.Service([(str(place), kind)], lambda path: [], most=1, sleeps=[0])
    made._look()
    made._look()
    assert [record.message for record in caplog.records] == [
        f"cannot look into {place}: No such file or directory"
    ]
    place.mkdir()
    made._look()
    place.rmdir()
    made._look()
    assert len(caplog.records) == 2
