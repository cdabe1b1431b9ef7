"""Jobs, grids and DAGs while they are being written."""

from __future__ import annotations

import functools
import pickle
from datetime import date
from uuid import UUID

import pytest

from ramify import DAG, Job, ParametrizedJob
from ramify.errors import (
    ArgumentError,
    CallFormError,
    DraftError,
    NotCallableError,
    RamifyKeyEncodingError,
    UnknownKeyError,
)


def score(model: str, split: str, prefix: str = "") -> str:
    return f"{prefix}{model}:{split}"


def seed_grid(**kwargs: object) -> ParametrizedJob:
    values = [("m1", "train"), ("m1", "test"), ("m2", "train")]
    return ParametrizedJob(score, ["model", "split"], values, {"prefix": "run="}, **kwargs)


# ---- jobs


def test_a_job_keeps_its_function_and_its_very_arguments() -> None:
    kwargs = {"model": "m", "split": "s"}
    job = Job(func=score, kwargs=kwargs)
    assert (job.func, job.kwargs) == (score, kwargs)
    assert job.kwargs is kwargs
    assert job == job and job != Job(score, kwargs) and hash(job) == hash(job)


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({}, "misses the arguments 'model', 'split'"),
        ({"split": 1}, "misses the argument 'model'"),
        ({"model": 1, "split": 1, "z": 1, "b": 2}, "does not take the arguments 'b', 'z'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(kwargs: dict, words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        Job(score, kwargs)
    assert isinstance(caught.value, ValueError)
    assert caught.value.function == "score"


def test_what_a_function_takes_is_seen_through_wrappers() -> None:
    def positional(x: int, /) -> int:
        return x

    def anything(**more: object) -> dict:
        return more

    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n

        def __call__(self, x: int) -> int:
            return self.n + x

        def method(self, y: int) -> int:
            return self.n + y

    Job(anything, {"a": 1, "b/c": 2})
    Job(Adder, {"n": 1})
    Job(Adder(1), {"x": 1})
    Job(Adder(1).method, {"y": 1})
    Job(functools.partial(score, prefix="p"), {"model": 1, "split": 2})
    Job(max, {"a": 1})  # no signature to check against
    with pytest.raises(ArgumentError, match="position only"):
        Job(positional, {"x": 1})
    with pytest.raises(ArgumentError, match="does not take"):
        Job(Adder(1).method, {"z": 1, "y": 1})


@pytest.mark.parametrize("func", [None, 3, "f", [], {}])
def test_what_cannot_be_called_is_a_type_error(func: object) -> None:
    with pytest.raises(NotCallableError) as caught:
        Job(func, {})
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("kwargs", [[("model", 1)], {1: 2}, "model"])
def test_kwargs_are_a_dict_of_names(kwargs: object) -> None:
    with pytest.raises(ArgumentError, match="dict of argument names"):
        Job(score, kwargs)


def test_policies_are_keywords_only_and_checked() -> None:
    job = Job(score, {"model": 1, "split": 1}, retries=2, timeout=3, resources={"cores": 1}, tags=["t"])
    assert (job.policy.retries, job.policy.timeout, job.policy.tags) == (2, 3.0, ("t",))
    with pytest.raises(TypeError):
        Job(score, {}, 2)
    with pytest.raises(ArgumentError, match="retries"):
        Job(score, {"model": 1, "split": 1}, retries=-1)
    assert seed_grid(retries=1)["m1"]["train"].policy.retries == 1


# ---- grids


def test_a_slice_is_a_grid_and_a_leaf_a_job_with_all_arguments() -> None:
    grid = seed_grid()
    assert isinstance(grid["m1"], ParametrizedJob)
    assert list(grid["m1"]) == ["train", "test"]
    for _ in range(2):
        leaf = grid["m1"]["train"]
        assert isinstance(leaf, Job)
        assert leaf.kwargs == {"prefix": "run=", "model": "m1", "split": "train"}
        assert leaf.func(**leaf.kwargs) == "run=m1:train"


def test_a_grid_is_a_mapping_of_its_distinct_first_values() -> None:
    grid = seed_grid()
    assert (list(grid), len(grid)) == (["m1", "m2"], 2)
    assert "m1" in grid and "m3" not in grid and "a/b" not in grid and None not in grid
    assert [type(node) for node in grid.values()] == [ParametrizedJob] * 2
    assert grid.get("zz") is None
    with pytest.raises(KeyError):
        grid["zz"]
    with pytest.raises(UnknownKeyError, match="'m1', 'm2'"):
        grid["m1/train"]
    with pytest.raises(TypeError):
        grid["m3"] = Job(max)
    assert bool(ParametrizedJob(score, ["model", "split"], []))


def test_values_of_mixed_types_stay_apart() -> None:
    grid = ParametrizedJob(score, ["model", "split"], [(1, "a"), ("1", 2.5), (date(2026, 1, 2), False)])
    assert list(grid) == [1, "1", date(2026, 1, 2)]
    assert list(grid["1"]) == [2.5]
    assert grid[1]["a"].kwargs == {"model": 1, "split": "a"}
    assert True not in grid and 1.0 not in grid
    assert grid.parameter_values[1] == ("1", 2.5)


@pytest.mark.parametrize(
    ("names", "values", "kwargs", "words"),
    [
        ([], [], {}, "one or more names"),
        ("model", [], {}, "list of names"),
        (["model", "model"], [], {}, "named twice"),
        (["model", "split"], [("a",)], {}, "tuple of 2"),
        (["model", "split"], ["ab"], {}, "tuple of 2"),
        (["model", "split"], [3], {}, "tuple of 2"),
        (["model"], ["a"], {"split": 1}, r"write \('a',\)"),
        (["model", "split"], [("a", "b"), ("c", "d"), ("a", "b")], {}, "a/b is there twice"),
        (["model", "split"], [(1, "b"), (True, "c")], {}, "equal and of different types"),
        (["model", "split"], [("a", 1), ("b", 1.0)], {}, "equal and of different types"),
        (["model", "split"], [], {"model": 1}, "parameter and is in kwargs"),
        (["model"], [], {}, "misses the argument 'split'"),
        (["model", "split", "z"], [], {}, "does not take the argument 'z'"),
    ],
)
def test_grids_that_cannot_be_are_refused(names: object, values: list, kwargs: dict, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        ParametrizedJob(score, names, values, kwargs)


@pytest.mark.parametrize("value", [None, "", "a/b", ".hidden", "@x", b"x", (1,), 10**300])
def test_a_value_that_is_no_key_is_refused(value: object) -> None:
    with pytest.raises(RamifyKeyEncodingError):
        ParametrizedJob(score, ["model", "split"], [(value, "a")])


# ---- DAGs


def test_a_dag_is_a_mapping_with_assignment_and_without_deletion() -> None:
    dag = DAG()
    job = dag["a"] = Job(max)
    dag["a"] = other = Job(min)
    assert dag["a"] is other and job is not other
    assert (list(dag), len(dag), "a" in dag, "b" in dag, "a/b" in dag) == (["a"], 1, True, False, False)
    assert dag.get("b") is None
    assert list(dag.items()) == [("a", other)]
    with pytest.raises(UnknownKeyError, match="did you mean"):
        DAG({"train": job})["trian"]
    for name in ("__delitem__", "pop", "clear", "update", "setdefault"):
        assert not hasattr(dag, name)


def test_a_dag_is_true_and_equal_to_itself_and_its_copies() -> None:
    dag, other = DAG(), DAG()
    assert bool(dag) and (dag or None) is dag
    assert dag != other and dag == dag and len({dag, other, dag}) == 2
    copy = pickle.loads(pickle.dumps(dag))
    assert copy == dag and hash(copy) == hash(dag) and copy.id == dag.id
    assert isinstance(dag.id, UUID) and dag.id.version == 4


def test_one_true_and_a_float_are_different_keys() -> None:
    dag = DAG({1: Job(max)})
    assert True not in dag and 1.0 not in dag and 1 in dag
    with pytest.raises(KeyError):
        dag[True]
    for key in (True, 1.0):
        with pytest.raises(DraftError, match="another type"):
            dag[key] = Job(max)
    dag[1] = Job(min)
    assert len(dag) == 1


@pytest.mark.parametrize("key", ["", "a/b", ".x", "@run", None, ("a",), b"a"])
def test_an_illegal_key_is_refused_at_the_assignment(key: object) -> None:
    with pytest.raises(RamifyKeyEncodingError):
        DAG()[key] = Job(max)


@pytest.mark.parametrize("node", [None, max, 3, {"a": 1}])
def test_what_is_no_node_is_refused_at_the_assignment(node: object) -> None:
    with pytest.raises(DraftError, match="Job, a ParametrizedJob or a DAG"):
        DAG()["a"] = node


def test_the_forms_of_the_constructor() -> None:
    job = Job(max)
    assert DAG({"a": job})["a"] is DAG(nodes={"a": job})["a"] is job
    assert (DAG(4).max_workers, DAG(max_workers=2, name="n").name) == (4, "n")
    for wrong in (0, -1, True, "a", 1.5, [("a", job)]):
        with pytest.raises(CallFormError, match=r"DAG\(4\).*DAG\(\{'a': job\}\)"):
            DAG(wrong)
    with pytest.raises(ArgumentError, match="twice"):
        DAG({"a": job}, nodes={"b": job})


def test_reprs_are_short() -> None:
    dag = DAG({n: Job(score, {"model": "m" * 1000, "split": [0] * 1000}) for n in range(100)})
    assert len(repr(dag)) < 100
    assert len(repr(dag[1])) < 150
    assert repr(seed_grid()) == "ParametrizedJob(score, model, split: 3 points)"
