"""Containers: the command line, what is bound, what is missing. A program on the PATH plays the engine."""

import json
import os
import shutil
import sys

import pytest
from one_task import bash, failure, int_out, python, read, run, task

from ramify.errors import ArgumentError, FileMissingError
from ramify.pipeline.conf import TaskConf
from ramify.pipeline.containers import Container, container_command, find_container
from ramify.pipeline.definition import Input
from ramify.pipeline.instance import Instance

FAKE = """#!PYTHON
# Plays apptainer or podman: writes down its words, checks that what is bound is there, runs the command.
import json, os, sys
words = sys.argv[1:]
with open(os.environ["FAKE_TOLD"], "a") as file:
    file.write(json.dumps([os.path.basename(sys.argv[0]), *words]) + "\\n")
verb, rest = words[0], words[1:]
if verb == "rm":
    sys.exit(0)
takes_value = {"--bind", "--mount", "--env", "--name", "--user", "--entrypoint"}
command = []
while rest and rest[0].startswith("-"):
    word = rest.pop(0)
    value = rest.pop(0) if word in takes_value else None
    if word == "--bind" and not os.path.exists(value.split(":")[0]):
        sys.exit("no such bind: " + value)
    if word == "--entrypoint":
        command = [value]
image, *arguments = rest
if image.endswith("missing:1"):
    print("no such image", file=sys.stderr)
    sys.exit(125)
os.environ["INSIDE"] = image
os.execvp((command + arguments)[0], command + arguments)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Installs fake engines; a function that gives what they were told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "cat"):
        (folder / name).symlink_to(shutil.which(name))
    (folder / "python3").symlink_to(os.path.realpath(sys.executable))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("FAKE_TOLD", str(tmp_path / "told"))

    def install(*names):
        for name in names:
            (folder / name).write_text(FAKE.replace("PYTHON", os.path.realpath(sys.executable)))
            (folder / name).chmod(0o755)

    install.told = lambda: [json.loads(line) for line in read(tmp_path / "told").splitlines()]
    return install


@pytest.fixture
def place(tmp_path):
    containers = tmp_path / "images"
    containers.mkdir()
    (containers / "tools.sif").write_text("an image")
    code = tmp_path / "code"
    code.mkdir()
    return Instance(tmp_path / "my run", code_folder=code, containers_folder=containers)


@pytest.mark.parametrize("engine", ["apptainer", "singularity"])
def test_an_image_file_runs_in_apptainer(fake, place, tmp_path, engine):
    fake(engine)
    outside = tmp_path / "outside.txt"
    outside.write_text("from outside\n")
    made = task(
        bash('cat "$f"; echo "$INSIDE"; export n=$x'),
        inputs=[Input("x", "int", 4), Input("f", "file", str(outside))],
        outputs=[int_out("n")], conf=TaskConf(container="tools.sif"),
    )  # fmt: skip
    assert run(made, place).variables == {"n": 4}
    image = f"{place.containers_folder}/tools.sif"
    assert read(place.task("t1").log) == f"from outside\n{image}\n"
    (told,) = fake.told()
    assert told[:2] == [engine, "exec"]
    assert f"{place.path}:{place.path}" in told
    assert f"{place.code_folder}:{place.code_folder}:ro" in told
    assert f"{outside}:{outside}:ro" in told


@pytest.mark.parametrize("engine", ["podman", "docker"])
def test_a_name_runs_in_podman_or_docker(fake, place, engine):
    fake(engine)
    made = task(
        bash("export n=$x", container="busybox:latest"),
        inputs=[Input("x", "int", 4), Input("secret", "str", "s3cret")],
        outputs=[int_out("n")],
    )  # fmt: skip
    assert run(made, place).variables == {"n": 4}
    (told,) = fake.told()
    assert told[:3] == [engine, "run", "--rm"]
    assert f"type=bind,source={place.path},target={place.path}" in told
    assert told[told.index("secret") - 1] == "--env"
    assert "s3cret" not in str(told)


def test_podman_is_taken_before_docker_unless_said_otherwise(fake, place, monkeypatch):
    fake("podman", "docker")
    run(task(bash("true", container="busybox")), place)
    monkeypatch.setitem(place.surroundings, "RAMIFY_CONTAINER_ENGINE", "docker")
    run(task(bash("true", container="busybox"), key="t2"), place)
    assert [told[0] for told in fake.told()] == ["podman", "docker"]


def test_python_steps_run_in_containers(fake, place):
    fake("apptainer")
    with open(f"{place.code_folder}/contained_functions.py", "w", encoding="utf-8") as file:
        file.write("import os\ndef f(x):\n    print(os.environ['INSIDE'])\n    return {'n': x + 1}\n")
    made = task(
        python("contained_functions:f", container="tools.sif"),
        inputs=[Input("x", "int", 4)],
        outputs=[int_out("n")],
    )
    assert run(made, place).variables == {"n": 5}
    assert read(place.task("t1").log).endswith("tools.sif\n")


def test_a_missing_image_is_a_clear_failure(fake, place):
    fake("apptainer")
    error = failure(task(bash("true"), conf=TaskConf(container="other.sif")), place)
    assert f"the container image {place.containers_folder}/other.sif is not there" in str(error)
    assert str(place.task("t1").state()) == "failed.0"


def test_an_engine_that_fails_is_told(fake, place):
    fake("podman")
    error = failure(task(bash("true"), conf=TaskConf(container="missing:1")), place)
    assert "exit code 125 of podman: the container missing:1 did not start" in str(error)
    assert "no such image" in error.tail


def test_no_engine_is_a_clear_failure(fake, place):
    error = failure(task(bash("true"), conf=TaskConf(container="tools.sif")), place)
    assert "needs apptainer or singularity, and none is on the PATH" in str(error)


def test_paths_that_a_bind_cannot_say_are_refused():
    box = Container("apptainer", "/usr/bin/apptainer", "/x.sif")
    with pytest.raises(ArgumentError, match="holds ':'"):
        container_command(box, ["bash"], {"/a:b": True}, [])
    box = Container("podman", "/usr/bin/podman", "x", "name")
    with pytest.raises(ArgumentError, match="holds ','"):
        container_command(box, ["bash"], {"/a,b": True}, [])


def test_an_absolute_image_that_is_not_there():
    with pytest.raises(FileMissingError):
        find_container("/no/such/image", "/", "name", os.environ)
