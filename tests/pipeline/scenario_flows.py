"""The pipelines of the scenarios that need processes of their own."""

import os

from ramify.pipeline import python_call

COUNT = 'echo "$__task_key" >> "$__pipeline_instance_dir/ran"\n'
"""Tells that a task ran."""

HOLD = 'echo $$ > "$__pipeline_instance_dir/begun"\nread -r _ < "$__pipeline_instance_dir/gate"\n'
"""Says by one pipe that it runs, and stays until something comes by the other."""


def held(dsl):
    """t1 stays until the gate opens; t2 takes its value; t3 waits for t2."""
    t1 = dsl.task("t1").outputs(x=int).calls(COUNT + HOLD + "export x=5")()
    yield t1
    t2 = dsl.task("t2").inputs(t1.outputs.x).outputs(y=int).calls(COUNT + "export y=$((x * 2))")()
    yield t2
    for _ in dsl.wait_for_tasks(t2):
        y = t2.outputs.y.fetch()
        yield dsl.task("t3").inputs(y=y).outputs(z=int).calls(COUNT + "export z=$((y + 1))")()


def beside(dsl):
    """`stays` has a child of its own; `after` does not wait for it, `blocked` does."""
    stays = (
        dsl.task("stays")
        .outputs(n=int)
        .calls('sleep 600 & echo $! > "$__pipeline_instance_dir/child"\n' + HOLD + "export n=1")()
    )
    yield stays
    other = dsl.task("other").outputs(n=int).calls("export n=1")()
    yield other
    yield dsl.task("after").inputs(other.outputs.n).calls("true")()
    yield dsl.task("blocked").inputs(stays.outputs.n).calls("true")()


def three_steps(dsl):
    """The second fails as long as there is no file `ok`."""
    steps = (
        dsl.task("steps")
        .outputs(f=dsl.file("f"))
        .calls('echo s1 >> "$f"')
        .calls('test -e "$__pipeline_instance_dir/ok"\necho s2 >> "$f"')
        .calls('echo s3 >> "$f"')()
    )
    yield steps
    yield dsl.task("dependent").inputs(steps.outputs.f).outputs(g=dsl.file("g")).calls('cp "$f" "$g"')()


def second_held(dsl):
    """Of three steps the second stays."""
    yield (
        dsl.task("steps")
        .outputs(n=int, f=dsl.file("f"))
        .calls('echo s1 >> "$f"; export n=1')
        .calls('echo s2 >> "$f"\n' + HOLD)
        .calls('echo s3 >> "$f"; export n=$((n + 1))')()
    )


HOSTILE = (
    "it's",
    'say "hi"',
    "$HOME",
    "`id`",
    "a=b=c",
    "one\ntwo\n",
    "  both ends  ",
    "é漢字",
    "",
    "null",
    "\\n %s",
    "-n",
    "*",
)


@python_call()
def same(s):
    return {"r": s}


@python_call()
def written(r, f):
    with open(f, "w", encoding="utf-8", newline="") as file:
        file.write(r)


def hostile(dsl):
    """Each value from bash to bash to Python to Python to bash, into a file."""
    for number, value in enumerate(HOSTILE):
        first = dsl.task(f"bash.{number}").inputs(s=value).outputs(r=str).calls('export r="$s"')()
        yield first
        second = dsl.task(f"again.{number}").inputs(s=first.outputs.r).outputs(r=str).calls('export r="$s"')()
        yield second
        third = dsl.task(f"python.{number}").inputs(s=second.outputs.r).outputs(r=str).calls(same)()
        yield third
        fourth = dsl.task(f"python2.{number}").inputs(s=third.outputs.r).outputs(r=str).calls(same)()
        yield fourth
        yield (
            dsl.task(f"file.{number}")
            .inputs(fourth.outputs.r)
            .outputs(f=dsl.file("value"), g=dsl.file("of python"))
            .calls('printf %s "$r" > "$f"')
            .calls(to_g)()
        )


@python_call()
def to_g(r, g):
    assert os.environ["r"] == r  # noqa: SIM112  # the task's own variable
    written(r, g)
