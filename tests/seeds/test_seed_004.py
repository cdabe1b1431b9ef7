"""Every example of the pipelines document that needs neither Slurm nor ssh runs; of the others, the plan.

Each is a module beside the instance folder, as its reader would write it, with only names of the product
changed. The document lost its indentation; it is put back. Where an example has a slip of its own it is
mended, and a comment beside it says how. What the examples declare is in `test_seed_004_dsl.py`.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ramify import DAGExecutionError
from ramify.errors import CycleError, FileMissingError, RamifyKeyEncodingError
from ramify.pipeline.flow import plan_pipeline, prepare, read_result, run_pipeline

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

Module = Callable[[str, str], ModuleType]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    """Writes a module of this name and imports it."""
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.syspath_prepend(str(code))

    def write(name: str, text: str) -> ModuleType:
        (code / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


@pytest.fixture
def x_y_z(tmp_path: Path) -> Path:
    """The instance folder."""
    return tmp_path / "x" / "y" / "z"


def output(instance: Path, key: str, name: str) -> str:
    return (instance / "output" / key / name).read_text()


def refused(made: Any, instance: Path) -> BaseException | None:
    """What a run of a pipeline that cannot be says."""
    with pytest.raises(DAGExecutionError) as told:
        run_pipeline(made, instance)
    return told.value.cause


def states(instance: Path) -> dict[str, str]:
    """What the state files say."""
    found = (instance / ".ramify").glob("[!@]*/state.*")
    return {path.parent.name: path.name.removeprefix("state.") for path in found}


# ---- tasks

PRODUCER_AND_CONSUMER = """
from ramify import pipeline as DryPipe

def my_tasks(dsl):
    t1 = dsl.task(key="t1").outputs(x=int).calls(f1)()
    yield t1
    yield dsl.task(key="t2").inputs(t1.outputs.x).outputs(f=dsl.file("f.tsv")).calls(f2)()

@DryPipe.python_call()
def f1():
    return {"x": 123}

@DryPipe.python_call()
def f2(x, f):
    with open(f, "w") as _f:  # opened for reading there
        _f.write(f"...{x}")

def my_pipeline():
    return DryPipe.create_pipeline(my_tasks)
"""


def test_producer_and_consumer(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_two_tasks", PRODUCER_AND_CONSUMER).my_pipeline(), x_y_z)
    assert output(x_y_z, "t2", "f.tsv") == "...123"
    assert read_result(x_y_z, "t1").variables == {"x": 123}
    assert states(x_y_z) == {"t1": "completed", "t2": "completed"}


THE_DAG = """
from ramify import pipeline as DryPipe
from seed_two_tasks import f2

def my_dag_generator(dsl):
    t1 = dsl.task(key="t1")\\
        .outputs(x=dsl.var(int), z=dsl.file("z.json"))\\
        .calls(\"\"\"
            #!/usr/bin/env bash
            export x=123
            echo '{"i": "abc", "a": [56,57]}' > $z
        \"\"\")()
    yield t1
    t2 = dsl.task(key="t2")\\
        .inputs(t1.outputs.x)\\
        .outputs(f=dsl.file("f.tsv"))\\
        .calls(f2)()
    yield t2
    yield dsl.task(key="t3")\\
        .inputs(t1.outputs.z, t2.outputs.f)\\
        .outputs(t=dsl.file("pipeline-result.tsv"))\\
        .calls(f3)()

@DryPipe.python_call()
def f3(z, f, t):  # it is used there, and not written
    import json
    with open(z) as read, open(f) as other, open(t, "w") as write:
        write.write(f"{json.load(read)['a']} {other.read()}")
"""


def test_the_dag_of_the_diagram(module: Module, x_y_z: Path) -> None:
    module("seed_two_tasks", PRODUCER_AND_CONSUMER)
    run_pipeline(module("seed_the_dag", THE_DAG).my_dag_generator, x_y_z)
    assert output(x_y_z, "t3", "pipeline-result.tsv") == "[56, 57] ...123"


SMALLER_CHUNKS = """
def my_pipeline_dag_generator(dsl):
    yield dsl.task(
        key="t1"
    ).outputs(
        a_file=dsl.file("a-file.txt")
    ).calls(\"\"\"
        #!/usr/bin/env bash
        echo 'hello' > $a_file
    \"\"\")()
    yield dsl.task(
        key="t2"
    ).outputs(
        other_file=dsl.file("another-file.txt")
    ).calls(\"\"\"
        #!/usr/bin/env bash
        echo 'world' > $other_file
    \"\"\")()
"""


def test_smaller_chunks(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_chunks", SMALLER_CHUNKS).my_pipeline_dag_generator, x_y_z)
    assert output(x_y_z, "t1", "a-file.txt") == "hello\n"
    assert output(x_y_z, "t2", "another-file.txt") == "world\n"


FILES = """
def my_pipeline_dag_generator(dsl):
    t1 = dsl.task(
        key="t1"
    ).inputs(
        x=123
    ).outputs(
        result=dsl.file("f.txt")
    ).calls(\"\"\"
        echo $(( x * x )) > $result
    \"\"\")()
    yield t1
    # we keep a reference to t1 so we can refer to t1.outputs.result
    yield dsl.task(
        key="t2"
    ).inputs(
        r=t1.outputs.result
    ).outputs(
        f=dsl.file("final-result.txt")
    ).calls(\"\"\"
        result_from_t1="$(cat $r)"
        echo "we got data from t1: $result_from_t1" > $f
    \"\"\")()
"""


def test_files_between_tasks(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_files", FILES).my_pipeline_dag_generator, x_y_z)
    assert output(x_y_z, "t2", "final-result.txt") == "we got data from t1: 15129\n"


SCRIPT = """
def my_pipeline_dag_generator(dsl):
    yield dsl.task(key="t1").inputs(x=12).outputs(result=dsl.file("f.txt")).calls("my-script.sh")()
"""


def test_a_script_of_the_code_folder(module: Module, x_y_z: Path, tmp_path: Path) -> None:
    script = '#!/usr/bin/env bash\necho "$x $__pipeline_code_dir/my-script.sh" > $result\n'
    (tmp_path / "code" / "my-script.sh").write_text(script)
    run_pipeline(module("seed_script", SCRIPT).my_pipeline_dag_generator, x_y_z)
    assert output(x_y_z, "t1", "f.txt") == f"12 {tmp_path}/code/my-script.sh\n"


VARIABLES = """
def my_pipeline_dag_generator(dsl):
    t1 = dsl.task(
        key="t1"
    ).inputs(
        x=123,
        y=3,  # 3.14159265359 there, of which bash's arithmetic can make nothing
        z='abc'
    ).outputs(
        result=int
    ).calls(\"\"\"
        #!/usr/bin/env bash
        echo "all variables in the consumes(...) clause are in the env" $x, $y, $z
        # 'export' is used to assign output variable in the produces(...) clause
        export result=$(( x * y ))
    \"\"\")()
    yield t1
    yield dsl.task(
        key="t2"
    ).inputs(
        r=t1.outputs.result
    ).outputs(
        f=dsl.file("final-result.txt")
    ).calls(\"\"\"
        #!/usr/bin/env bash
        echo "we got data from t1: $r" > $f
    \"\"\")()
"""


def test_variables_between_tasks(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_variables", VARIABLES).my_pipeline_dag_generator, x_y_z)
    assert output(x_y_z, "t2", "final-result.txt") == "we got data from t1: 369\n"
    said = "all variables in the consumes(...) clause are in the env 123, 3, abc\n"
    assert (x_y_z / ".ramify/t1/out.log").read_text() == said


PYTHON = """
import os  # it is missing there
import sys
from ramify import pipeline as DryPipe

@DryPipe.python_call()
def f1(x, y, z):
    print(f"all variables in the consumes(...) clause are in the env {x}, {y}, {z}")
    if isinstance(x, int):
        print("Wow, x has the correct type !")
    else:
        # will write to $__pipeline_instance_dir/.ramify/$__task_key/out.log
        print("Something is seriously wrong !")
    x_from_env = os.environ["x"]
    if isinstance(x_from_env, str):
        print(\"\"\"one could grab vars from the environment, but
        receiving pre parsed arguments is more convenient !\"\"\")
        print("")
    return {
        "result": int(x * y)  # a float there, for an output that is an int
    }

@DryPipe.python_call()
def f2(r, f):
    with open(f, "w") as f_handle:  # opened for reading there
        f_handle.write(f"we got data from t1: {r}")

def my_pipeline_dag_generator(dsl):
    t1 = dsl.task(
        key="t1"
    ).inputs(
        x=123,
        y=3.14159265359,
        z='abc'
    ).outputs(
        result=int
    ).calls(
        f1
    )()
    yield t1
    yield dsl.task(
        key="t2"
    ).inputs(
        r=t1.outputs.result
    ).outputs(
        f=dsl.file("final-result.txt")
    ).calls(
        f2
    )()
"""


def test_python_functions(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_python", PYTHON).my_pipeline_dag_generator, x_y_z)
    assert output(x_y_z, "t2", "final-result.txt") == "we got data from t1: 386"
    said = (x_y_z / ".ramify/t1/out.log").read_text().splitlines()
    assert said[0].endswith("clause are in the env 123, 3.14159265359, abc")
    assert said[1] == "Wow, x has the correct type !" and said[2].startswith("one could grab")


# ---- dynamic ones

HALF_HARD_CODED = """
from ramify import pipeline as DryPipe  # it is missing there

def create_dag_generator(beautiful_numbers):
    def dag_gen(dsl):
        for i in beautiful_numbers:
            yield dsl.task(
                key=f"square-{i}"
            ).inputs(
                x=i
            ).outputs(
                f=dsl.file("file_with_squared_number.txt")
            ).calls(\"\"\"
                #!/usr/bin/env bash
                echo $(( $x * $x)) > $f
            \"\"\")()
    return dag_gen

def pipeline_1_2_3():
    return DryPipe.create_pipeline(
        create_dag_generator([1,3,4]),
    )

def pipeline_7_8_9_543():
    return DryPipe.create_pipeline(
        create_dag_generator([7, 8, 9, 543]),
    )
"""


def test_half_hard_coded(module: Module, tmp_path: Path) -> None:
    both = module("seed_squares", HALF_HARD_CODED)
    run_pipeline(both.pipeline_1_2_3(), tmp_path / "a")
    run_pipeline(both.pipeline_7_8_9_543(), tmp_path / "b")
    squares = {
        path.parent.name: int(path.read_text()) for path in tmp_path.glob("[ab]/output/*/file_with_*.txt")
    }
    assert squares == {f"square-{i}": i * i for i in (1, 3, 4, 7, 8, 9, 543)}


BY_ENVIRONMENT = """
import os  # it is missing there

def dag_gen(dsl):
    with open(os.environ['MY_INPUT_DATA_FILE_TSV']) as f:
        for line in f.readlines():
            i, other_arg = line.rstrip().split("\\t")  # the last value keeps its newline there
            yield dsl.task(
                key=f"t-{i}"
            ).inputs(
                x=other_arg
            ).outputs(
                f=dsl.file("result.txt")
            ).calls(\"\"\"
                #!/usr/bin/env bash
                echo "compute data for $x" > $f
            \"\"\")()
"""


def test_a_file_named_in_the_environment(
    module: Module, x_y_z: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in.tsv").write_text("1\tone\n2\tit's two\n")
    monkeypatch.setenv("MY_INPUT_DATA_FILE_TSV", str(tmp_path / "in.tsv"))
    run_pipeline(module("seed_environment", BY_ENVIRONMENT).dag_gen, x_y_z)
    assert output(x_y_z, "t-1", "result.txt") == "compute data for one\n"
    assert output(x_y_z, "t-2", "result.txt") == "compute data for it's two\n"


IN_THE_INSTANCE = """
from ramify import pipeline as DryPipe

def dag_gen(dsl):
    with open(dsl.file_in_pipeline_instance_dir("dataset.tsv")) as f:
        for line in f.readlines():
            i, other_arg = line.split("\\t")
            yield dsl.task(
                key=f"t-{i}"
            ).inputs(x=other_arg).outputs(f=dsl.file("result.txt")).calls(
                'printf %s "$x" > $f'  # "..." there
            )()

def my_pipeline():
    return DryPipe.create_pipeline(dag_gen)  # it calls itself there
"""


def test_a_file_of_the_instance(module: Module, x_y_z: Path) -> None:
    made = module("seed_instance", IN_THE_INSTANCE).my_pipeline()
    x_y_z.mkdir(parents=True)  # there the file is copied into a folder that nothing has made
    assert isinstance(refused(made, x_y_z), FileMissingError)
    (x_y_z / "dataset.tsv").write_text("1\tone\n2\ttwo\n")
    run_pipeline(made, x_y_z)
    assert output(x_y_z, "t-2", "result.txt") == "two\n"  # the line's end is part of the value


CHUNKS = """
import os  # it is missing there
import re
from ramify import pipeline as DryPipe

def get_next_chunk_from(lines):  # the three helpers are not written there
    yield from re.findall(">[^>]*", "".join(lines))

def write_chunk_into(w, chunk_file):
    chunk_file.write(w)

def read_from(chunk_file):
    with open(chunk_file) as f:
        return f.read().strip()

@DryPipe.python_call()
def create_n_chunks_of_work(input_fasta, __task_output_dir):
    with open(input_fasta) as f:
        c = 0
        for w in get_next_chunk_from(f.readlines()):
            # opened for reading there, and named work-chunk-0.fasta, which the pattern does not match
            with open(os.path.join(__task_output_dir, f"work-chunk.{c}.fasta"), "w") as chunk_file:
                write_chunk_into(w, chunk_file)
            c += 1

def dag_gen(dsl):
    prepare_chunks = dsl.task(
        key=f"prepare-chunks"
    ).inputs(
        input_fasta=dsl.file('chimp.fasta')
    ).outputs(
        work_chunks=dsl.fileset('work-chunk.*.fasta')
    ).calls(
        create_n_chunks_of_work
    )()
    yield prepare_chunks
    for _ in dsl.wait_for_tasks(prepare_chunks):
        # dsl.wait_for_tasks ensures that we can only get here when prepare_chunks
        # has successfully completed
        for work_chunk_file_handle in prepare_chunks.outputs.work_chunks.fetch():
            # extract number from file name, i.e.
            # work-chunk.3.fasta -> 3
            chunk_number = work_chunk_file_handle.basename().split(".")[1]
            yield dsl.task(
                key=f"task-for-chunk.{chunk_number}"
            ).inputs(
                f=work_chunk_file_handle
            ).outputs(
                results_file=dsl.file("results.json")
            ).calls(\"\"\"
                #!/usr/bin/env bash
                echo "work on $(head -n 1 $f)" > $results_file  # it makes no results.json there
            \"\"\")()
    for matcher in dsl.wait_for_matching_tasks("task-for-chunk.*"):
        yield dsl.task(
            key="analyze-all-work-pieces"
        ).inputs(
            # pattern_for_all_chunks is $__pipeline_instance_dir/output/task-for-chunk-*/results.json
            pattern_for_all_chunks=matcher.all.results_file.as_glob_expression()
        ).outputs(
            a_result_file=dsl.file("final-result-file")
        ).calls(\"\"\"
            #!/usr/bin/env bash
            # the two following commands are equivalent:
            ls $__pipeline_instance_dir/output/task-for-chunk.*/results.json
            ls $pattern_for_all_chunks
            # the second is way more DRY (Don't Repeat Yourself) !
            echo "work on $f"
        \"\"\").calls(
            analyze_all
        )()

@DryPipe.python_call()
def analyze_all(pattern_for_all_chunks, a_result_file):
    with open(a_result_file, "w") as _a_result_file:
        for chunk_file in pattern_for_all_chunks():
            some_results = read_from(chunk_file)
            # a_result_file.write there, which is a path
            _a_result_file.write(f"got {some_results} from chunk {os.path.basename(chunk_file)}\\n")
"""

CHIMP = "".join(f">chimp{number}\nACGT\n" for number in range(3))


def test_driven_by_tasks(module: Module, x_y_z: Path) -> None:
    x_y_z.mkdir(parents=True)
    (x_y_z / "chimp.fasta").write_text(CHIMP)
    run_pipeline(module("seed_fan_out", CHUNKS).dag_gen, x_y_z)
    workers = [f"task-for-chunk.{number}" for number in range(3)]
    assert sorted(states(x_y_z)) == ["analyze-all-work-pieces", "prepare-chunks", *workers]
    assert set(states(x_y_z).values()) == {"completed"}
    got = [f"got work on >chimp{number} from chunk results.json\n" for number in range(3)]
    assert sorted(output(x_y_z, "analyze-all-work-pieces", "final-result-file").splitlines(True)) == got
    listed = (x_y_z / ".ramify/analyze-all-work-pieces/out.log").read_text().splitlines()
    assert listed[:3] == listed[3:6] and listed[6] == "work on "  # `$f` is not set there


def test_the_dag_over_time(module: Module, x_y_z: Path) -> None:
    """The tables of a growing graph: after each task, what there is and in which state."""
    x_y_z.mkdir(parents=True)
    (x_y_z / "chimp.fasta").write_text(CHIMP)
    made = module("seed_over_time", CHUNKS).dag_gen
    assert [task.key for task in prepare(made, x_y_z)] == ["prepare-chunks"]
    assert states(x_y_z) == {"prepare-chunks": "ready"}
    run_pipeline(made, x_y_z, until=["task-for-chunk.*"])
    workers = [f"task-for-chunk.{number}" for number in range(3)]
    assert states(x_y_z) == {"prepare-chunks": "completed"} | dict.fromkeys(workers, "ready")
    run_pipeline(made, x_y_z, until=["analyze-*"])
    assert states(x_y_z)["analyze-all-work-pieces"] == "ready"
    run_pipeline(made, x_y_z)
    assert set(states(x_y_z).values()) == {"completed"}


NOT_WAITED = """
def dag_gen(dsl):
    t1 = dsl.task(key="t1").outputs(abc=int).calls("export abc=7")()
    yield t1
    # dsl.task("key=t2") there
    yield dsl.task(key="t2").inputs(z=t1.outputs.abc).outputs(f=dsl.file("z")).calls("echo $z > $f")()
"""


def test_when_not_to_wait(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_not_waited", NOT_WAITED).dag_gen, x_y_z)
    assert output(x_y_z, "t2", "z") == "7\n"


SLURM_TIME = """
from ramify import pipeline as DryPipe
from ramify.pipeline import TaskConf

@DryPipe.python_call()
def some_func():  # not written there
    return {"x": 90}

def estimate_time(x):  # not written there
    return f"0:{x}:00"

def my_dag_generator(dsl):
    task_a = dsl.task(
        key="task-a"
    ).outputs(
        x=dsl.var(int)
    ).calls(
        some_func
    )()
    yield task_a
    task_b = dsl.task(key="task-b").calls("true")()  # waited for there, and never made
    yield task_b
    for prefix in ("task-prefix-1", "other-task-prefix-1"):  # no task there has such a key
        yield dsl.task(key=prefix).calls("true")()
    for _ in dsl.wait_for_tasks(task_a, task_b):
        # because taskA has completed, we can fetch values from it's produces clause:
        actual_x_loaded_from_completed_task = task_a.outputs.x.fetch()
        assert isinstance(actual_x_loaded_from_completed_task, int)
        for matcher1, matcher2 in dsl.wait_for_matching_tasks("task-prefix-*", "other-task-prefix-*"):
            yield dsl.task(
                key="highly-dependent-task",
                task_conf=TaskConf(
                    executer_type="slurm",
                    slurm_account="me",
                    sbatch_options=[  # slurm_options there
                        f"--time={estimate_time(actual_x_loaded_from_completed_task)}"
                    ]
                )
            ).inputs(
                x=dsl.val(actual_x_loaded_from_completed_task)  # dsl.val, of nothing, there
            ).calls("true")()  # "..." there
"""


def test_slurm_time_from_a_fetched_value_is_planned(module: Module, x_y_z: Path) -> None:
    made = module("seed_slurm_time", SLURM_TIME).my_dag_generator
    run_pipeline(made, x_y_z, until=["highly-*"])
    assert states(x_y_z)["highly-dependent-task"] == "ready"
    conf = next(task.conf for task in prepare(made, x_y_z) if task.key == "highly-dependent-task")
    assert conf.sbatch_options == ("--time=0:90:00",) and conf.slurm_account == "me"


# ---- composition

COMPOSITE = """
from ramify import pipeline as DryPipe

def super_duper_pipeline_dag_generator(dsl):  # a module of that name there
    yield dsl.task(key="a-super-task").outputs(a_variable=int).calls("export a_variable=20")()

def other_pipeline_dag_gen(dsl):  # likewise
    for number in range(2):
        yield dsl.task(key=f"do-it-{number}")\\
            .inputs(number=number)\\
            .outputs(a_file_defined_in_do_it_tasks=dsl.file("it.txt"))\\
            .calls("echo $number > $a_file_defined_in_do_it_tasks")()

@DryPipe.python_call()
def a_func(y):  # the functions are not written there
    return {"z": y + 1}

@DryPipe.python_call()
def grande_finale_func(z, a_pattern, __task_output_dir):
    with open(f"{__task_output_dir}/finale", "w") as f:
        f.write(f"{z} {sorted(open(path).read() for path in a_pattern())}")

def my_coposite_dag_generator(dsl):
    super_duper = dsl.sub_pipeline(super_duper_pipeline_dag_generator, "s_")
    yield super_duper
    other_sub_pipeline = dsl.sub_pipeline(other_pipeline_dag_gen, "o_")
    yield other_sub_pipeline
    for super_task in super_duper.wait_for_tasks("a-super-task"):
        v = super_task.outputs.a_variable
        yield dsl.task(
            "task-dependent-on-a-super-task"
        ).inputs(
            y=dsl.val(v)
        ).outputs(
            z=dsl.var(int)
        ).calls(
            a_func
        )()
    for matcher in other_sub_pipeline.wait_for_matching_tasks("do-it-*"):
        for task_dependent_on_a_super_task in dsl.wait_for_tasks("task-dependent-on-a-super-task"):
            yield dsl.task(
                "grande-finale"
            ).inputs(
                z=task_dependent_on_a_super_task.outputs.z,
                a_pattern=matcher.all.a_file_defined_in_do_it_tasks.as_glob_expression()
            ).calls(
                grande_finale_func
            )()
"""


def test_composition(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_composite", COMPOSITE).my_coposite_dag_generator, x_y_z)
    assert output(x_y_z, "grande-finale", "finale") == r"21 ['0\n', '1\n']"
    both = ["grande-finale", "task-dependent-on-a-super-task"]
    assert sorted(states(x_y_z)) == sorted(["s_a-super-task", "o_do-it-0", "o_do-it-1", *both])


# ---- folders, scripts, variables


def test_the_layout_of_an_instance(module: Module, x_y_z: Path) -> None:
    text = """
def dag(dsl):
    t1 = dsl.task(key="t1").outputs(r=dsl.file("results.txt")).calls("echo 1 | tee $r")()
    yield t1
    yield dsl.task(key="t2").inputs(t1.outputs.r).outputs(f=dsl.file("f.tsv")).calls("cat $r | tee $f")()
"""
    run_pipeline(module("seed_layout", text).dag, x_y_z)
    found = {str(path.relative_to(x_y_z)) for path in x_y_z.rglob("*") if path.is_file()}
    documented = ("task", "task-env.sh", "task-conf.json", "state.completed", "out.log", "ramify.log")
    own = [*documented, "step-0.record"]  # how the step ended, for a driver that takes it over
    told = {f".ramify/{key}/{name}" for key in ("t1", "t2") for name in own}
    made = {"output/t1/results.txt", "output/t2/f.tsv"}
    assert {path for path in found if not path.startswith(".ramify/@")} == told | made
    assert sorted(os.listdir(x_y_z)) == [".ramify", "output"]


def test_a_task_is_run_by_its_script(module: Module, x_y_z: Path) -> None:
    run_pipeline(module("seed_by_hand", FILES).my_pipeline_dag_generator, x_y_z)
    (x_y_z / "output/t1/f.txt").write_text("2\n")
    script = x_y_z / ".ramify/t2/task"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(os.sys.path)}  # type: ignore[attr-defined]  # of tests
    done = subprocess.run([str(script)], capture_output=True, text=True, env=environ, timeout=30)
    assert done.returncode == 0, done.stderr
    assert output(x_y_z, "t2", "final-result.txt") == "we got data from t1: 2\n"
    listed = subprocess.run([str(script), "ps"], capture_output=True, text=True, env=environ, timeout=30)
    assert listed.returncode == 1 and listed.stdout == "no process of this task runs\n"


def test_the_variables_of_a_task(module: Module, x_y_z: Path, tmp_path: Path) -> None:
    names = ["pipeline_instance_dir", "task_key", "task_output_dir", "out_log", "scratch_dir"]
    names += ["pipeline_code_dir", "containers_dir"]
    lines = "\n    ".join(f'echo "${{__{name}}}" >> $f' for name in names)
    text = f"""
def dag(dsl):
    yield dsl.task(key="t1").outputs(f=dsl.file("f")).calls('''
    {lines}
    test -d "$__scratch_dir"
    ''')()
"""
    run_pipeline(module("seed_own_variables", text).dag, x_y_z)
    told = dict(zip(names, output(x_y_z, "t1", "f").splitlines(), strict=True))
    assert told == {
        "pipeline_instance_dir": str(x_y_z),
        "task_key": "t1",
        "task_output_dir": f"{x_y_z}/output/t1",
        "out_log": f"{x_y_z}/.ramify/t1/out.log",
        "scratch_dir": f"{x_y_z}/output/t1/scratch",
        "pipeline_code_dir": f"{tmp_path}/code",
        "containers_dir": f"{tmp_path}/code/containers",
    }


# ---- configuration

CONFIGURATIONS = """
from ramify import pipeline as DryPipe
from ramify.pipeline import TaskConf

@DryPipe.python_call()
def f1():  # f1 to f4 are not written there
    print("here")

f2 = f3 = f4 = f1

def my_pipeline_dag_generator(dsl):
    # Task will run on the local machine (default task_conf of tasks)
    yield dsl.task(
        key="t1",
        task_conf=TaskConf(
            executer_type="process"
        )
    ).calls(f1)()
    # Task will run as a slurm job (orchestrating host must be a slurm login node)
    yield dsl.task(
        key="t2",
        task_conf=TaskConf(
            executer_type="slurm",
            slurm_account="my-slurm-account",
            sbatch_options= [
                "--time=0:5:00"
            ],
            container="my-container.sif"
        )
    ).calls(f2)()
    yield dsl.task(
        key="t3",
        task_conf=TaskConf(
            executer_type="slurm",
            ssh_specs="me@a-slurm-login-host:~/.ssh/id_rsa",
            container="my-container.sif",
            remote_base_dir="/remote-parent-dir-of-pipeline-instance",
            remote_containers_dir="/remote-parent-dir-of-container-sif-files",
            slurm_account="my-slurm-account",
            sbatch_options= [
                "--time=0:5:00"
            ]
        )
    ).calls(f3)()
    yield dsl.task(
        key="t4",  # a second t1 there
        task_conf=TaskConf(
            executer_type="process",
            ssh_specs="me@a-slurm-login-host:~/.ssh/id_rsa"
        )
    ).calls(f4)()
"""


def test_configurations_of_tasks_are_planned_and_the_local_one_runs(module: Module, x_y_z: Path) -> None:
    made = module("seed_configurations", CONFIGURATIONS).my_pipeline_dag_generator
    assert [verdict.job_id for verdict in plan_pipeline(made, x_y_z)] == ["t1", "t2", "t3", "t4"]
    assert not x_y_z.exists()
    run_pipeline(made, x_y_z, until=["t[234]"])
    assert states(x_y_z) == {"t1": "completed", "t2": "ready", "t3": "ready", "t4": "ready"}
    assert (x_y_z / ".ramify/t1/out.log").read_text() == "here\n"


OF_A_PIPELINE = """
from ramify import pipeline as DryPipe
from ramify.pipeline import TaskConf

def my_dag(dsl):
    yield dsl.task(key="task-123").calls(\"\"\"
        #!/usr/bin/env bash
        echo "hello world"
    \"\"\")
    yield dsl.task(
        key="task-z",
        task_conf=TaskConf(executer_type="process")
    ).calls(\"\"\"
        #!/usr/bin/env bash
        echo "hello world"
    \"\"\")

def my_pipeline():
    return DryPipe.create_pipeline(
        my_dag,
        pipeline_code_dir="x/y/z",
        containers_dir="a/b/c",
        task_conf=TaskConf(
            executer_type="slurm",
            slurm_account="my-slurm-account",
        )
    )
"""


def test_configuration_of_a_pipeline(module: Module, x_y_z: Path) -> None:
    made = module("seed_of_a_pipeline", OF_A_PIPELINE).my_pipeline()
    assert made.code_dir == os.path.abspath("x/y/z") and made.containers_dir == os.path.abspath("a/b/c")
    run_pipeline(made, x_y_z, until=["task-123"])
    assert states(x_y_z) == {"task-123": "ready", "task-z": "completed"}
    assert (x_y_z / ".ramify/task-z/out.log").read_text() == "hello world\n"


# ---- what the document says of keys, and of graphs


@pytest.mark.parametrize("key", ["../x", "a/b", "", " a", "@run"])
def test_a_key_that_cannot_be_is_refused_before_anything_is_written(x_y_z: Path, key: str) -> None:
    def dag(dsl: Any) -> Any:
        yield dsl.task(key="good").calls("true")()
        yield dsl.task(key=key).calls("true")()

    assert isinstance(refused(dag, x_y_z), RamifyKeyEncodingError)
    assert not (x_y_z / "output").exists() and not states(x_y_z)


def test_a_cycle_is_refused_before_anything_is_written(x_y_z: Path) -> None:
    def dag(dsl: Any) -> Any:
        a = dsl.task(key="a").inputs(f=dsl.file("x")).outputs(n=int).calls("export n=1")()
        b = dsl.task(key="b").inputs(a.outputs.n).outputs(m=int).calls("export m=1")()
        yield dsl.task(key="a").inputs(b.outputs.m).outputs(n=int).calls("export n=1")()
        yield b

    error = refused(dag, x_y_z)
    assert isinstance(error, CycleError) and re.search("'a'.*'b'.*'a'", str(error))
    assert not states(x_y_z)
