"""A step in a container: apptainer or singularity for image files, podman or docker for named images."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ramify.errors import ArgumentError, FileMissingError, MissingExtraError

IMAGE_ENGINES: Final = ("apptainer", "singularity")
NAME_ENGINES: Final = ("podman", "docker")
CHOICE: Final = "RAMIFY_CONTAINER_ENGINE"
"""The variable that says which program to use, where several are installed."""

_FILES: Final = (".sif", ".simg", ".img", ".sqfs", ".sqsh")
_PROMPT: Final = 30.0
"""Seconds that the removal of a container may take."""


class Container(NamedTuple):
    """A program, the image for it, and the name of the container where it has one."""

    engine: str
    program: str
    image: str
    name: str | None = None

    def remove(self) -> None:
        """Removes the container, if it is still there: the engine's own service may have kept it."""
        if self.name is not None:
            command = [self.program, "rm", "-f", self.name]
            subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_PROMPT, check=False
            )


def find_container(image: str, folder: str, name: str, environ: Mapping[str, str]) -> Container:
    """What runs this image. A path, absolute or below the folder of containers, is for apptainer; what names
    no file there is a name, such as `busybox:latest`, for podman or docker where they are installed.

    `FileMissingError` where an image file is not there, `MissingExtraError` where no program is.
    """
    path = os.path.join(folder, image)
    is_file = os.path.exists(path)
    if not is_file and (os.path.isabs(image) or image.endswith(_FILES)):
        raise FileMissingError(
            f"the container image {path} is not there: put it there, or name another folder of containers",
            path=path,
        )
    url = "://" in image
    wanted = (
        IMAGE_ENGINES if is_file else IMAGE_ENGINES + NAME_ENGINES if url else NAME_ENGINES + IMAGE_ENGINES
    )
    engine, program = _find_program(wanted, image, environ)
    if engine in NAME_ENGINES:
        return Container(engine, program, image.removeprefix("docker://"), name)
    return Container(engine, program, path if is_file else image if url else f"docker://{image}")


def container_command(
    container: Container,
    command: Sequence[str],
    binds: Mapping[str, bool],
    variables: Iterable[str],
    options: Sequence[str] = (),
) -> list[str]:
    """The command line. `binds` are paths, the same inside, and whether they may be written.

    >>> box = Container("apptainer", "/usr/bin/apptainer", "/images/x.sif")
    >>> container_command(box, ["bash"], {"/data": True, "/code": False}, [])[1:]
    ['exec', '--bind', '/data:/data', '--bind', '/code:/code:ro', '/images/x.sif', 'bash']
    """
    if container.engine in IMAGE_ENGINES:
        words = [container.program, "exec", *options]
        for path, writable in binds.items():
            _check_bind(path, ":,")
            words += ["--bind", f"{path}:{path}" + ("" if writable else ":ro")]
        return [*words, container.image, *command]
    words = [container.program, "run", "--rm", "--name", str(container.name), *_as_user(container.engine)]
    for path, writable in binds.items():
        _check_bind(path, ',"')
        words += ["--mount", f"type=bind,source={path},target={path}" + ("" if writable else ",readonly")]
    for variable in variables:
        words += ["--env", variable]  # the value comes from the environment: it is in no list of processes
    return [*words, "--entrypoint", command[0], container.image, *command[1:]]


def needed_paths(folders: Mapping[str, bool], files: Iterable[str]) -> dict[str, bool]:
    """What has to be bound: the folders that are there, and what lies in none of them, read-only.

    >>> needed_paths({"/": True}, ["/etc/passwd"])
    {'/': True}
    """
    binds: dict[str, bool] = {}
    for folder, writable in folders.items():
        if os.path.isdir(folder) and not _within(folder, binds, writable):
            binds[folder] = writable
    for file in files:
        if os.path.exists(file) and not _within(file, binds, False):
            binds[file] = False
    return binds


def _within(path: str, binds: Mapping[str, bool], writable: bool) -> bool:
    return any(
        (path == folder or path.startswith(folder.rstrip("/") + "/")) and (may or not writable)
        for folder, may in binds.items()
    )


def _find_program(wanted: Sequence[str], image: str, environ: Mapping[str, str]) -> tuple[str, str]:
    chosen = environ.get(CHOICE)
    for engine in (os.path.basename(chosen),) if chosen else wanted:
        program = shutil.which(chosen or engine, path=environ.get("PATH"))
        if program is not None and engine in IMAGE_ENGINES + NAME_ENGINES:
            return engine, os.path.abspath(program)
    raise MissingExtraError(
        f"the container {image} needs {' or '.join((chosen,) if chosen else wanted)}, and none is on the "
        "PATH: install one, or take container= away",
        package=wanted[0],
        extra=None,
    )


def _as_user(engine: str) -> list[str]:
    """Files that the step makes belong to who runs it."""
    if os.getuid() == 0:
        return []
    return ["--userns=keep-id"] if engine == "podman" else ["--user", f"{os.getuid()}:{os.getgid()}"]


def _check_bind(path: str, forbidden: str) -> None:
    found = [sign for sign in forbidden if sign in path]
    if found:
        raise ArgumentError(
            f"the path {path!r} holds {found[0]!r}, which the container program takes for the end of a path: "
            "use a folder without it",
            names=[path],
        )
