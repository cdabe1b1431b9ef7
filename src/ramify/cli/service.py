"""`ramify service`: every instance in some folders is run, as it comes."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Final

import click

from ramify.cli.find import complete_target
from ramify.cli.output import json_option, put_json
from ramify.cli.pipeline_options import instance_flag, sleep_flag
from ramify.errors import ArgumentError, TargetError

_SLEEPS: Final = (0.0, 1.0, 3.0, 5.0, 10.0, 15.0, 20.0)


@click.command()
@click.option(
    "--config-generator",
    metavar="TARGET",
    envvar="RAMIFY_SERVICE_CONFIG_GENERATOR",
    shell_complete=complete_target,
    help="A function that yields (folder of instances, PipelineType).",
)
@sleep_flag
@click.option(
    "--log-conf",
    type=click.Path(exists=True, dir_okay=False),
    envvar="RAMIFY_LOGGING_CONF",
    help="Configuration of Python's logging: an .ini, .json or .toml file.",
)
@click.option("--exit-on-parent-death", is_flag=True, help="End when the process that started this one ends.")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Instances at a time [number of cores].")
@click.option("--tasks", type=click.IntRange(1), metavar="N", help="Tasks at a time of one instance [cores].")
@instance_flag
@click.option("-v", "--verbose", "--v", "verbose", count=True, help="Say more: -v what is done, -vv details.")
@click.option("--vv", "debug", is_flag=True, hidden=True)
@click.option("--run-one", type=click.Path(exists=True, file_okay=False), hidden=True)
@json_option
def service(
    config_generator: str | None,
    sleep_schedule: tuple[float, ...] | None,
    log_conf: str | None,
    exit_on_parent_death: bool,
    jobs: int | None,
    tasks: int | None,
    instance: str | None,
    verbose: int,
    debug: bool,
    run_one: str | None,
    as_json: bool,
) -> int:
    """Run the pipelines of all instances in the folders of a configuration, as they come, until it is ended.

    An instance is run when it has a file .ramify/state.ready; the file's name then tells how it stands. What
    goes wrong in one is logged and harms no other. On SIGTERM and Ctrl-C the service ends at once and leaves
    tasks running: the next one waits for them. With -pid that instance alone is made ready first.

    Example: ramify service --config-generator conf.py:pipelines
    """
    if config_generator is None:
        raise click.UsageError("say what to look after: --config-generator file.py:name")
    from ramify.pipeline.service import Service, run_instance, set_instance_state

    kinds = _kinds(config_generator)
    if run_one is not None:
        return run_instance(kinds, run_one, jobs=tasks, target=config_generator)
    _log(log_conf, 2 if debug else verbose)
    if instance is not None:
        set_instance_state(os.path.abspath(instance), "ready")
    from ramify.run.limits import cores

    words = [sys.executable, "-m", "ramify", "service", "--config-generator", config_generator]
    words += [] if tasks is None else ["--tasks", str(tasks)]
    made = Service(
        kinds,
        lambda path: [*words, "--run-one", path],
        most=jobs or cores(),
        sleeps=sleep_schedule or _SLEEPS,
        parent=os.getppid() if exit_on_parent_death else None,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: made.stop())
    if as_json:
        put_json({"pid": os.getpid(), "folders": [folder for folder, _ in kinds]})
        sys.stdout.flush()
    made.run()
    return 0


def _kinds(text: str) -> Any:
    from ramify.cli.target import guarded, load_object
    from ramify.pipeline.service import kinds_from

    function, _ = load_object(text)
    if not callable(function):
        raise TargetError(f"{text} is no function that yields (folder, PipelineType)", target=text)
    return guarded(lambda: kinds_from(function), f"calling {text}")


def _log(path: str | None, level: int) -> None:
    """As the file says, else lines with times on standard error."""
    import logging
    import logging.config

    if path is None:
        logging.basicConfig(
            level=logging.DEBUG if level > 1 else logging.INFO,
            format="%(asctime)s %(levelname)s %(message)s",
            stream=sys.stderr,
        )
        return
    try:
        if path.endswith((".json", ".toml")):
            logging.config.dictConfig({"disable_existing_loggers": False, **_table(path)})
        else:
            logging.config.fileConfig(path, disable_existing_loggers=False)
    except Exception as error:  # logging.config raises nearly everything
        raise ArgumentError(f"{path} is no configuration of logging: {error}", names=["log_conf"]) from error


def _table(path: str) -> Any:
    with open(path, "rb") as file:
        if path.endswith(".json"):
            import json

            return json.load(file)
        import tomllib

        return tomllib.load(file)
