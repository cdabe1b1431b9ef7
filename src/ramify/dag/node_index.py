"""Which nodes of a growing graph a text means: kept up to date, so that no question looks at the whole graph.

Every node is under its key, what people call it, the keys of the scopes that it is in, and its tags. A glob
costs one look at the nodes of its scope when it is first asked for; from then on it is tried on new nodes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ramify.core.patterns import fits, is_glob, prefix_of


class NodeIndex:
    """The nodes by what means them. One thread adds; others may ask meanwhile.

    >>> index = NodeIndex()
    >>> index.members("map/*")
    []
    >>> index.add(0, "map/0", "map/0", ["pdf"])
    ['map/0', 'map', 'pdf', 'map/*']
    >>> index.members("map/*"), index.members("pdf"), index.members("map"), index.members("ma")
    ([0], [0], [0], [])
    """

    def __init__(self) -> None:
        self._by_text: dict[str, list[int]] = {}
        self._by_glob: dict[str, list[int]] = {}
        self._globs: dict[str, list[str]] = {}
        """The globs that were asked for, by what their keys begin with."""
        self._lengths: tuple[int, ...] = ()
        self._names: dict[int, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def add(self, node: int, key: str, name: str, tags: Iterable[str]) -> list[str]:
        """A new node; returns the texts that mean it."""
        names = (key,) if name == key else (key, name)
        texts = dict.fromkeys(names)
        for one in names:
            place = one.rfind("/")
            while place > 0:
                texts[one[:place]] = None
                place = one.rfind("/", 0, place)
        texts.update(dict.fromkeys(tags))
        with self._lock:
            self._names[node] = names
            for text in texts:
                self._by_text.setdefault(text, []).append(node)
            if self._globs:
                for glob in self._globs_of(names):
                    self._by_glob[glob].append(node)
                    texts[glob] = None
        return list(texts)

    def _globs_of(self, names: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for name in names:
            for length in self._lengths:
                known = self._globs.get(name[:length], ())
                found.update((glob, None) for glob in known if fits(glob, name))
        return list(found)

    def tag(self, node: int, tags: Iterable[str]) -> list[str]:
        """A node gets tags; returns those that did not mean it before."""
        fresh = []
        with self._lock:
            for tag in tags:
                members = self._by_text.setdefault(tag, [])
                if node not in members:
                    members.append(node)
                    fresh.append(tag)
        return fresh

    def members(self, text: str) -> list[int]:
        """The nodes that a text means, in the order in which they were added. Not to be changed."""
        if not is_glob(text):
            return self._by_text.get(text, [])
        known = self._by_glob.get(text)
        if known is None:
            with self._lock:
                known = self._by_glob.get(text)
                if known is None:
                    known = self._by_glob[text] = self._first_look(text)
        return known

    def _first_look(self, glob: str) -> list[int]:
        prefix = prefix_of(glob)
        scope = prefix.rpartition("/")[0]
        nodes: Iterable[int] = self._by_text.get(scope, ()) if scope else self._names
        found = [node for node in nodes if any(fits(glob, name) for name in self._names[node])]
        self._globs.setdefault(prefix, []).append(glob)
        self._lengths = tuple(sorted({*self._lengths, len(prefix)}))
        return found
