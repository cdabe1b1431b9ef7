"""Every example of the pipelines document that declares tasks: what it declares, over a fake progress.

Only names of the product are changed: `from ramify import pipeline as DryPipe`. The document lost its
indentation; where an example has a slip of its own it is mended, and the slip is named beside it. That the
tasks run is tested where tasks run.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ramify import pipeline as DryPipe  # noqa: N812  # as the document's readers will write it
from ramify.pipeline import Pipeline, TaskConf
from ramify.pipeline.definition import Call, Input, Output, TaskDefinition, TaskResult
from ramify.pipeline.sweep import Sweep, sweep


class Told:
    """The states and results of tasks, as dicts."""

    def __init__(self) -> None:
        self.results: dict[str, TaskResult] = {}

    def state(self, key: str) -> str:
        return "completed" if key in self.results else "waiting"

    def result(self, key: str) -> TaskResult | None:
        return self.results.get(key)

    def output_folder(self, key: str) -> str:
        return f"/instance/output/{key}"


def swept(
    generator: Callable[[Any], Any] | Pipeline, told: Told | None = None, folder: Any = "/instance"
) -> Sweep:
    made = generator if isinstance(generator, Pipeline) else DryPipe.create_pipeline(generator)
    return sweep(made, folder, told or Told())


# ---- tasks


@DryPipe.python_call()
def f1() -> dict[str, int]:
    return {"x": 123}


@DryPipe.python_call()
def f2(x: int, f: str) -> None:
    with open(f, "w") as _f:  # the document opens it for reading
        _f.write(f"...{x}")


@DryPipe.python_call()
def f3(z: str, f: str, t: str) -> None:  # the document uses it and has none
    Path(t).write_text(Path(z).read_text() + Path(f).read_text())


def my_tasks(dsl: Any) -> Iterator[Any]:
    t1 = dsl.task(key="t1").outputs(x=int).calls(f1)()
    yield t1
    yield dsl.task(key="t2").inputs(t1.outputs.x).outputs(f=dsl.file("f.tsv")).calls(f2)()


def my_pipeline() -> Pipeline:
    return DryPipe.create_pipeline(my_tasks)


def test_producers_and_consumers() -> None:
    made = swept(my_pipeline())
    assert made.definitions["t2"] == TaskDefinition(
        "t2",
        (Call("python", f"{__name__}:f2"),),
        (Input("x", "int", None, "t1", "x"),),
        (Output("f", "file", "f.tsv"),),
    )
    assert made.parents("t2") == ("t1",) and f1() == {"x": 123}


def my_dag_generator(dsl: Any) -> Iterator[Any]:
    t1 = (
        dsl.task(key="t1")
        .outputs(x=dsl.var(int), z=dsl.file("z.json"))
        .calls("""
        #!/usr/bin/env bash
        export x=123
        echo '{"i": "abc", "a": [56,57]}' > $z
    """)()
    )
    yield t1
    t2 = dsl.task(key="t2").inputs(t1.outputs.x).outputs(f=dsl.file("f.tsv")).calls(f2)()
    yield t2
    yield (
        dsl.task(key="t3")
        .inputs(t1.outputs.z, t2.outputs.f)
        .outputs(t=dsl.file("pipeline-result.tsv"))
        .calls(f3)()
    )


def test_the_dag_of_the_diagram() -> None:
    made = swept(my_dag_generator)
    assert list(made.edges()) == [("t1", "t2", "x"), ("t1", "t3", "z"), ("t2", "t3", "f")]
    assert made.definitions["t1"].calls[0].text.startswith("#!/usr/bin/env bash\nexport x=123\n")


def test_smaller_chunks() -> None:
    def my_pipeline_dag_generator(dsl: Any) -> Iterator[Any]:
        yield (
            dsl.task(key="t1")
            .outputs(a_file=dsl.file("a-file.txt"))
            .calls("""
        #!/usr/bin/env bash
        echo 'hello' > $a_file
        """)()
        )
        yield (
            dsl.task(key="t2")
            .outputs(other_file=dsl.file("another-file.txt"))
            .calls("""
        #!/usr/bin/env bash
        echo 'world' > $other_file
        """)()
        )

    assert not list(swept(my_pipeline_dag_generator).edges())


def test_files_between_tasks() -> None:
    def my_pipeline_dag_generator(dsl: Any) -> Iterator[Any]:
        t1 = (
            dsl.task(key="t1")
            .inputs(x=123)
            .outputs(result=dsl.file("f.txt"))
            .calls("""
            echo $(( x * x )) > $result
        """)()
        )
        yield t1
        yield (
            dsl.task(key="t2")
            .inputs(r=t1.outputs.result)
            .outputs(f=dsl.file("final-result.txt"))
            .calls("""
            result_from_t1="$(cat $r)"
            echo "we got data from t1: $result_from_t1" > $f
        """)()
        )

    made = swept(my_pipeline_dag_generator)
    assert made.definitions["t2"].inputs == (Input("r", "file", None, "t1", "result"),)
    assert made.definitions["t1"].calls == (Call("bash", "echo $(( x * x )) > $result\n"),)


def test_a_script_of_the_code_folder(tmp_path: Path) -> None:
    (tmp_path / "my-script.sh").write_text("true\n")
    made = swept(
        DryPipe.create_pipeline(
            lambda dsl: [dsl.task(key="t").calls("my-script.sh")()], pipeline_code_dir=tmp_path
        )
    )
    assert made.definitions["t"].calls == (Call("script", "my-script.sh"),)


@pytest.mark.parametrize("steps", ["bash", "python"])
def test_variables_between_tasks(steps: str) -> None:
    @DryPipe.python_call()
    def first(x: int, y: float, z: str) -> dict[str, int]:
        return {"result": x * int(y)}

    @DryPipe.python_call()
    def second(r: int, f: str) -> None:
        Path(f).write_text(f"we got data from t1: {r}")

    bash = (
        """
        #!/usr/bin/env bash
        export result=$(( x * y ))
        """,
        """
        #!/usr/bin/env bash
        echo "we got data from t1: $r" > $f
        """,
    )
    one, two = bash if steps == "bash" else (first, second)

    def my_pipeline_dag_generator(dsl: Any) -> Iterator[Any]:
        # y is 3.14159265359 there, of which bash can make no whole number
        t1 = dsl.task(key="t1").inputs(x=123, y=3, z="abc").outputs(result=int).calls(one)()
        yield t1
        yield (
            dsl.task(key="t2")
            .inputs(r=t1.outputs.result)
            .outputs(f=dsl.file("final-result.txt"))
            .calls(two)()
        )

    made = swept(my_pipeline_dag_generator)
    assert made.definitions["t1"].inputs == (
        Input("x", "int", 123),
        Input("y", "int", 3),
        Input("z", "str", "abc"),
    )
    assert made.definitions["t1"].calls[0].kind == steps
    assert made.definitions["t2"].inputs == (Input("r", "int", None, "t1", "result"),)


# ---- dynamic ones


def create_dag_generator(beautiful_numbers: list[int]) -> Callable[[Any], Iterator[Any]]:
    def dag_gen(dsl: Any) -> Iterator[Any]:
        for i in beautiful_numbers:
            yield (
                dsl.task(key=f"square-{i}")
                .inputs(x=i)
                .outputs(f=dsl.file("file_with_squared_number.txt"))
                .calls("""
            #!/usr/bin/env bash
            echo $(( $x * $x)) > $f
            """)()
            )

    return dag_gen


def test_half_hard_coded() -> None:
    one = DryPipe.create_pipeline(create_dag_generator([1, 3, 4]))
    other = DryPipe.create_pipeline(create_dag_generator([7, 8, 9, 543]))
    assert list(swept(one).definitions) == ["square-1", "square-3", "square-4"]
    assert len(swept(other).definitions) == 4


def test_driven_by_a_file_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dag_gen(dsl: Any) -> Iterator[Any]:
        with open(os.environ["MY_INPUT_DATA_FILE_TSV"]) as f:
            for line in f.readlines():
                i, other_arg = line.split("\t")
                yield (
                    dsl.task(key=f"t-{i}")
                    .inputs(x=other_arg)
                    .outputs(f=dsl.file("result.txt"))
                    .calls("""
                #!/usr/bin/env bash
                echo "compute data for $x" > $f
                """)()
                )

    (tmp_path / "in.tsv").write_text("1\tone\n2\ttwo\n")
    monkeypatch.setenv("MY_INPUT_DATA_FILE_TSV", str(tmp_path / "in.tsv"))
    made = swept(dag_gen)
    assert list(made.definitions) == ["t-1", "t-2"]
    assert made.definitions["t-1"].inputs[0].value == "one\n"  # the document's own: the line keeps its end


def test_driven_by_a_file_of_the_instance(tmp_path: Path) -> None:
    def dag_gen(dsl: Any) -> Iterator[Any]:
        with open(dsl.file_in_pipeline_instance_dir("dataset.tsv")) as f:
            for line in f.readlines():
                i, other_arg = line.split("\t")
                yield dsl.task(key=f"t-{i}").inputs(x=other_arg).calls("true")()  # "..." there

    def my_pipeline() -> Pipeline:
        return DryPipe.create_pipeline(dag_gen)  # it calls itself there

    (tmp_path / "dataset.tsv").write_text("1\tone\n2\ttwo\n")
    assert list(swept(my_pipeline(), folder=tmp_path).definitions) == ["t-1", "t-2"]


@DryPipe.python_call()
def create_n_chunks_of_work(input_fasta: str, __task_output_dir: str) -> None:
    # The document names them "work-chunk-0.fasta", which its own pattern does not match.
    for number in range(3):
        Path(__task_output_dir, f"work-chunk.{number}.fasta").write_text(">")


@DryPipe.python_call()
def analyze_all(pattern_for_all_chunks: Callable[[], list[str]], a_result_file: str) -> None:
    with open(a_result_file, "w") as _a_result_file:
        for chunk_file in pattern_for_all_chunks():
            _a_result_file.write(f"got results from chunk {chunk_file}")


def chunks_dag_gen(dsl: Any) -> Iterator[Any]:
    prepare_chunks = (
        dsl.task(key="prepare-chunks")
        .inputs(input_fasta=dsl.file("chimp.fasta"))
        .outputs(work_chunks=dsl.fileset("work-chunk.*.fasta"))
        .calls(create_n_chunks_of_work)()
    )
    yield prepare_chunks
    for _ in dsl.wait_for_tasks(prepare_chunks):
        for work_chunk_file_handle in prepare_chunks.outputs.work_chunks.fetch():
            chunk_number = work_chunk_file_handle.basename().split(".")[1]
            # The document's task makes no results.json.
            yield (
                dsl.task(key=f"task-for-chunk.{chunk_number}")
                .inputs(f=work_chunk_file_handle)
                .outputs(results_file=dsl.file("results.json"))
                .calls("""
            #!/usr/bin/env bash
            echo "work on $f" > $results_file
            """)()
            )
    for matcher in dsl.wait_for_matching_tasks("task-for-chunk.*"):
        yield (
            dsl.task(key="analyze-all-work-pieces")
            .inputs(pattern_for_all_chunks=matcher.all.results_file.as_glob_expression())
            .outputs(a_result_file=dsl.file("final-result-file"))
            .calls("""
        #!/usr/bin/env bash
        ls $__pipeline_instance_dir/output/task-for-chunk.*/results.json
        ls $pattern_for_all_chunks
        """)
            .calls(analyze_all)()
        )


def test_driven_by_tasks_over_time() -> None:
    told = Told()
    assert list(swept(chunks_dag_gen, told).definitions) == ["prepare-chunks"]
    names = [f"work-chunk.{number}.fasta" for number in range(3)]
    told.results["prepare-chunks"] = TaskResult(filesets={"work_chunks": names})
    made = swept(chunks_dag_gen, told)
    assert list(made.definitions) == ["prepare-chunks", *(f"task-for-chunk.{number}" for number in range(3))]
    assert made.definitions["task-for-chunk.2"].inputs == (
        Input("f", "file", "work-chunk.2.fasta", "prepare-chunks", "work_chunks"),
    )
    for number in range(2):
        told.results[f"task-for-chunk.{number}"] = TaskResult()
    assert len(swept(chunks_dag_gen, told).definitions) == 4
    told.results["task-for-chunk.2"] = TaskResult()
    last = swept(chunks_dag_gen, told).definitions["analyze-all-work-pieces"]
    assert last.inputs == (Input("pattern_for_all_chunks", "glob", "output/task-for-chunk.*/results.json"),)
    assert [call.kind for call in last.calls] == ["bash", "python"]
    assert last.after == tuple(f"task-for-chunk.{number}" for number in range(3))


def test_the_pattern_of_the_chunks_finds_them(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "output" / f"task-for-chunk.{number}"
        folder.mkdir(parents=True)
        (folder / "results.json").touch()
    assert len(glob.glob("output/task-for-chunk.*/results.json", root_dir=tmp_path)) == 3


def test_slurm_time_from_a_value() -> None:
    def my_dag_generator(dsl: Any) -> Iterator[Any]:
        task_a = dsl.task(key="task-a").outputs(x=dsl.var(int)).calls(f1)()
        yield task_a
        task_b = dsl.task(key="task-b").calls("true")()  # the document waits for it and has none
        yield task_b
        for key in ("task-prefix-1", "other-task-prefix-1"):  # nor these
            yield dsl.task(key=key).calls("true")()
        for _ in dsl.wait_for_tasks(task_a, task_b):
            actual_x = task_a.outputs.x.fetch()
            assert isinstance(actual_x, int)
            for _matcher1, _matcher2 in dsl.wait_for_matching_tasks("task-prefix-*", "other-task-prefix-*"):
                yield (
                    dsl.task(
                        key="highly-dependent-task",
                        task_conf=TaskConf(
                            executer_type="slurm",
                            slurm_account="me",
                            sbatch_options=[f"--time={actual_x}"],  # slurm_options there
                        ),
                    )
                    .inputs(x=dsl.val(actual_x))  # dsl.val, without a value, there
                    .calls("true")()
                )

    told = Told()
    for key in ("task-b", "task-prefix-1", "other-task-prefix-1"):
        told.results[key] = TaskResult()
    assert "highly-dependent-task" not in swept(my_dag_generator, told).definitions
    told.results["task-a"] = TaskResult({"x": 30})
    made = swept(my_dag_generator, told).definitions["highly-dependent-task"]
    assert made.conf.sbatch_options == ("--time=30",) and made.inputs == (Input("x", "int", 30),)


# ---- composition


def super_duper_pipeline_dag_generator(dsl: Any) -> Iterator[Any]:  # a module of that name there
    yield dsl.task(key="a-super-task").outputs(a_variable=int).calls("export a_variable=1")()


def other_pipeline_dag_gen(dsl: Any) -> Iterator[Any]:
    for number in range(2):
        yield (
            dsl.task(key=f"do-it-{number}")
            .outputs(a_file_defined_in_do_it_tasks=dsl.file("it.txt"))
            .calls("echo > $a_file_defined_in_do_it_tasks")()
        )


@DryPipe.python_call()
def a_func(y: int) -> dict[str, int]:
    return {"z": y}


@DryPipe.python_call()
def grande_finale_func(z: int, a_pattern: Callable[[], list[str]]) -> None: ...


def my_composite_dag_generator(dsl: Any) -> Iterator[Any]:
    super_duper = dsl.sub_pipeline(super_duper_pipeline_dag_generator, "s_")
    yield super_duper
    other_sub_pipeline = dsl.sub_pipeline(other_pipeline_dag_gen, "o_")
    yield other_sub_pipeline
    for super_task in super_duper.wait_for_tasks("a-super-task"):
        v = super_task.outputs.a_variable
        yield (
            dsl.task("task-dependent-on-a-super-task")
            .inputs(y=dsl.val(v))
            .outputs(z=dsl.var(int))
            .calls(a_func)()
        )
    for matcher in other_sub_pipeline.wait_for_matching_tasks("do-it-*"):
        for task_dependent in dsl.wait_for_tasks("task-dependent-on-a-super-task"):
            yield (
                dsl.task("grande-finale")
                .inputs(
                    z=task_dependent.outputs.z,
                    a_pattern=matcher.all.a_file_defined_in_do_it_tasks.as_glob_expression(),
                )
                .calls(grande_finale_func)()
            )


def test_composition() -> None:
    told = Told()
    assert list(swept(my_composite_dag_generator, told).definitions) == [
        "s_a-super-task",
        "o_do-it-0",
        "o_do-it-1",
    ]
    told.results["s_a-super-task"] = TaskResult({"a_variable": 1})
    made = swept(my_composite_dag_generator, told)
    assert made.definitions["task-dependent-on-a-super-task"].inputs == (Input("y", "int", 1),)
    for key in ("o_do-it-0", "o_do-it-1", "task-dependent-on-a-super-task"):
        told.results[key] = TaskResult({"z": 2} if key[0] == "t" else {})
    last = swept(my_composite_dag_generator, told).definitions["grande-finale"]
    assert last.inputs == (
        Input("z", "int", None, "task-dependent-on-a-super-task", "z"),
        Input("a_pattern", "glob", "output/o_do-it-*/it.txt"),
    )


# ---- configuration


def test_configurations_of_tasks() -> None:
    def my_pipeline_dag_generator(dsl: Any) -> Iterator[Any]:
        yield dsl.task(key="t1", task_conf=TaskConf(executer_type="process")).calls(f1)()
        yield dsl.task(
            key="t2",
            task_conf=TaskConf(
                executer_type="slurm",
                slurm_account="my-slurm-account",
                sbatch_options=["--time=0:5:00"],
                container="my-container.sif",
            ),
        ).calls(f1)()
        yield dsl.task(
            key="t3",
            task_conf=TaskConf(
                executer_type="slurm",
                ssh_specs="me@a-slurm-login-host:~/.ssh/id_rsa",
                container="my-container.sif",
                remote_base_dir="/remote-parent-dir-of-pipeline-instance",
                remote_containers_dir="/remote-parent-dir-of-container-sif-files",
                slurm_account="my-slurm-account",
                sbatch_options=["--time=0:5:00"],
            ),
        ).calls(f1)()
        yield dsl.task(
            key="t4",  # a second "t1" there
            task_conf=TaskConf(executer_type="process", ssh_specs="me@a-slurm-login-host:~/.ssh/id_rsa"),
        ).calls(f1)()

    made = swept(my_pipeline_dag_generator).definitions
    assert made["t2"].conf.sbatch_options == ("--time=0:5:00",)
    assert made["t3"].conf.ssh_specs == "me@a-slurm-login-host:~/.ssh/id_rsa"
    assert made["t1"].conf == TaskConf()


def test_configurations_of_a_pipeline() -> None:
    def my_dag(dsl: Any) -> Iterator[Any]:  # neither ends with () there, which is allowed
        yield dsl.task(key="task-123").calls("""
        #!/usr/bin/env bash
        echo "hello world"
        """)
        yield dsl.task(key="task-z", task_conf=TaskConf(executer_type="process")).calls("""
        #!/usr/bin/env bash
        echo "hello world"
        """)

    pipeline = DryPipe.create_pipeline(
        my_dag,
        pipeline_code_dir="x/y/z",
        containers_dir="a/b/c",
        task_conf=TaskConf(executer_type="slurm", slurm_account="my-slurm-account"),
    )
    made = swept(pipeline).definitions
    assert made["task-123"].conf.slurm_account == "my-slurm-account"
    assert made["task-z"].conf.executer_type == "process"
    assert pipeline.code_dir == os.path.abspath("x/y/z")
    assert pipeline.containers_dir == os.path.abspath("a/b/c")
