"""All leaves of a `LazyDict` as one pandas frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ramify.errors import ArgumentError

Path = tuple[Any, ...]


def concat(
    root: Mapping[Any, Any],
    names: Sequence[str | None] | None,
    transform: Callable[[Any], Any] | None,
    select: Callable[[Path], bool] | None,
    max_workers: int | None,
) -> Any:
    """See `LazyDict.concat`."""
    import pandas as pd

    leaves = _leaves(root, names, select, max_workers)
    if not leaves:
        raise ArgumentError("nothing was selected: there is nothing to concatenate", names=["select"])
    depths = {len(path) for path, _ in leaves}
    if len(depths) > 1:
        raise ArgumentError(
            f"the leaves lie at different depths, {sorted(depths)}: choose those of one depth with select=",
            names=["select"],
        )
    if names is not None and len(names) > max(depths):
        raise ArgumentError(
            f"the leaves lie at depth {max(depths)}, and names has {len(names)} levels: "
            "give one name, or None, per level",
            names=["names"],
        )
    frames = [_frame(value if transform is None else transform(value)) for _, value in leaves]
    kept = [level for level in range(depths.pop()) if names is None or names[level] is not None]
    if not kept:
        return pd.concat(frames)
    keys = [path[kept[0]] if len(kept) == 1 else tuple(path[level] for level in kept) for path, _ in leaves]
    return pd.concat(frames, keys=keys, names=None if names is None else [names[level] for level in kept])


def _leaves(
    root: Mapping[Any, Any],
    names: Sequence[str | None] | None,
    select: Callable[[Path], bool] | None,
    max_workers: int | None,
) -> list[tuple[Path, Any]]:
    """Level by level: what is read is a leaf, or a folder whose children make the next level."""
    found: dict[Path, Any] = {}
    level: list[tuple[Path, Mapping[Any, Any]]] = [((), root)]
    depth = 0
    order: dict[Path, list[Path]] = {}
    while level:
        if names is not None and len(names) <= depth:
            raise ArgumentError(
                f"there are folders at depth {depth}, and names has {len(names)} levels: "
                "give one name, or None, per level",
                names=["names"],
            )
        for path, folder in level:
            order[path] = [(*path, key) for key in folder if select is None or select((*path, key))]
        wanted = [(path, folder) for path, folder in level for _ in order[path]]
        paths = [child for path, _ in level for child in order[path]]
        values = _read(
            [(folder, path[-1]) for (_, folder), path in zip(wanted, paths, strict=True)], max_workers
        )
        level = []
        for path, value in zip(paths, values, strict=True):
            if type(value) is type(root):
                level.append((path, value))
            else:
                found[path] = value
        depth += 1
    return [(path, found[path]) for path in _in_order((), order)]


def _in_order(root: Path, order: dict[Path, list[Path]]) -> list[Path]:
    """The leaves as they would be met going down one key after the other."""
    leaves: list[Path] = []
    stack = [root]
    while stack:
        path = stack.pop()
        if path in order:
            stack += reversed(order[path])
        else:
            leaves.append(path)
    return leaves


def _read(asked: list[tuple[Mapping[Any, Any], Any]], max_workers: int | None) -> list[Any]:
    if max_workers is None or len(asked) < 2:
        return [folder[key] for folder, key in asked]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers) as pool:
        return list(pool.map(lambda one: one[0][one[1]], asked))


def _frame(value: Any) -> Any:
    import pandas as pd

    if isinstance(value, pd.DataFrame):
        return value
    if isinstance(value, pd.Series):
        return value.to_frame() if value.name is not None else value.to_frame("value")
    return pd.DataFrame({"value": [value]})
