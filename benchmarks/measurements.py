"""What is measured: groups of works, and for each work the systems that do it, the one to beat them first.

Sizes are those of a full run; `--quick` takes a tenth. Where a peer's cost grows faster than its work, or
where it takes minutes, it gets a smaller size of its own, which the table shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SHAPES = {"independent": 100_000, "chain": 100_000, "tree": 100_000, "join": 20_000, "ladder": 100_000}
PEERS = ("tidyrun", "tiledb", "dask", "joblib", "redun", "doit", "adage", "drypipe", "snakemake")
"""Systems that have an environment of their own."""
FOLDER = "FOLDER"
"""Stands for a fresh folder in the arguments of a case."""


@dataclass
class Row:
    """One system doing one work of size `n`. Among the arguments of its case, `N` stands for the size.

    `budget` is what the work may cost, in words, where the design says so; `limit` the seconds after which
    a measurement is given up.
    """

    work: str
    who: str
    environment: str
    case: str
    arguments: list[str]
    n: int
    budget: str = ""
    limit: float = 900.0


@dataclass
class Group:
    """Rows that are read together. `reference` is the system that the others are divided by."""

    name: str
    title: str
    unit: str
    reference: str
    note: str
    limit: float = 900.0
    rows: list[Row] = field(default_factory=list)

    def add(self, work: str, who: str, case: str, *arguments: str, n: int, budget: str = "") -> None:
        """A row, in the environment of the system that is named."""
        environment = next((name for name in PEERS if name in who.lower()), "ramify")
        self.rows.append(Row(work, who, environment, case, list(arguments), n, budget, self.limit))


def memory() -> Group:
    """No-ops in memory."""
    note = "Adding, running, asking for the end, per node. Bare futures wait for their parents in a thread."
    group = Group("memory", "Graphs of no-ops in memory", "µs", "Ramify, inline", note)
    for shape, n in SHAPES.items():
        group.add(shape, "Ramify, inline", "memory", "ramify-inline", shape, "N", n=n)
        group.add(shape, "Ramify, 2 threads", "memory", "ramify-threads", shape, "N", n=n)
        group.add(shape, "ThreadPoolExecutor(2)", "memory", "futures", shape, "N", n=n)
        group.add(shape, "Dask, 2 threads", "memory", "dask", shape, "N", n=min(n, 5_000))
    return group


def live() -> Group:
    """No-ops submitted to graphs that run beside their owner."""
    note = (
        "Submitting, running in two threads, `wait`, asking for the ends, per node. Ramify records graphs "
        "unless it is told not to. TileDB Cloud runs local nodes, offline; its joins are quadratic in the "
        "parents, and one of 20,000 takes it more than four minutes, so they get fewer. Dask gets fewer of "
        "everything; its cluster in this process is started and ended each time. Bare futures wait for their "
        "parents in a thread, and know neither failure nor retry. Peak memory is the growth of the process; "
        "threads left are those that are there while somebody still holds the finished graph."
    )
    group = Group("live", "Live graphs of no-ops", "µs", "Ramify", note)
    for shape in ("independent", "chain", "join", "ladder"):
        tiledb = (1_000, 2_000) if shape == "join" else (1_000, 20_000)
        for who, engine, sizes in (
            ("Ramify", "ramify", (1_000, 20_000, 100_000)),
            ("Ramify, not recorded", "ramify-unrecorded", (1_000, 20_000, 100_000)),
            ("TileDB Cloud", "tiledb", tiledb),
            ("Dask delayed", "dask", (1_000, 5_000)),
            ("Dask futures", "dask-futures", (1_000,)),
            ("ThreadPoolExecutor(2)", "futures", (1_000, 20_000)),
        ):
            for n in sizes:
                group.add(shape, who, "live", engine, shape, "N", FOLDER, n=n)
    return group


def growth() -> Group:
    """Graphs that grow while they run."""
    note = (
        "Everything but the first node is added by rules while the graph runs; per node that was there at "
        "the end. Ramify runs in two threads and records; Adage has a backend that calls at once, no pause "
        "between its rounds, no trackers and no log, and gets a minute for each. A fan is one rule and its "
        "reduction; waves are fifty nodes, then fifty more when these are done; a chain gets each node when "
        "the one before it is done; levels are maps of ten or a hundred with a reduction, each of which "
        "starts the next map; waiting rules are as many as there are nodes in a chain, one for each."
    )
    group = Group("growth", "Graphs that grow", "µs", "Ramify", note, limit=60.0)
    for shape, work, ours, theirs in (
        ("fan", "fan and reduction", (1_000, 10_000), (1_000, 10_000)),
        ("waves", "waves of 50", (1_000, 10_000), (1_000, 2_500, 10_000)),
        ("chain", "chain, node by node", (1_000, 10_000), (100, 200, 1_000)),
        ("levels-10", "levels of map(10)", (67, 1_101), (45, 67, 1_101)),
        ("levels-100", "levels of map(100)", (607, 10_101), (203, 607)),
        ("waiting", "waiting rules", (1_000, 5_000), (100, 200, 1_000)),
    ):
        for n in ours:
            group.add(work, "Ramify", "growth", "ramify", shape, "N", FOLDER, n=n)
        for n in theirs:
            group.add(work, "Adage", "growth", "adage", shape, "N", FOLDER, n=n)
    return group


def grid() -> Group:
    """`evaluate` to disk in this process."""
    note = (
        "`evaluate` of a grid in thread mode into a fresh folder: the plan, a payload and a sidecar per job, "
        "the journal. The bare loop writes the same payloads, sidecars and lines, and no plan. TidyRun's "
        "cost is quadratic in the points, so it gets fewer."
    )
    group = Group("grid", "A grid on disk", "µs", "Ramify", note)
    for workers, work in (("1", "one worker"), ("2", "two workers")):
        group.add(work, "Ramify", "disk", "ramify", "thread", "N", FOLDER, workers, n=10_000)
        if workers == "1":
            group.add(work, "bare loop", "disk", "bare", "thread", "N", FOLDER, n=10_000)
        for n in (500, 1000):
            group.add(work, "TidyRun", "disk", "tidyrun", "thread", "N", FOLDER, workers, n=n)
    return group


def isolated() -> Group:
    """A process for each job."""
    note = "A process per job, and the files. The bare ones are `python -c pass` and the same files."
    group = Group("isolated", "Isolated jobs", "ms", "Ramify", note)
    for workers, work in (("1", "one at a time"), ("2", "two at a time")):
        group.add(work, "Ramify", "disk", "ramify", "subprocess", "N", FOLDER, workers, n=200)
        group.add(work, "subprocess.run", "disk", "bare", "subprocess", "N", FOLDER, workers, n=200)
        group.add(work, "TidyRun", "disk", "tidyrun", "subprocess", "N", FOLDER, workers, n=20)
    return group


def process() -> Group:
    """A pool of processes."""
    note = "No-ops in two worker processes; starting the pool or cluster and ending it is included."
    group = Group("process", "A pool of processes", "µs", "Ramify", note)
    work = "with files"
    group.add(work, "Ramify", "disk", "ramify", "process", "N", FOLDER, "2", n=2000)
    group.add(work, "ProcessPoolExecutor(2)", "disk", "bare", "process", "N", FOLDER, "2", n=2000)
    group.add(work, "TidyRun", "disk", "tidyrun", "process", "N", FOLDER, "2", n=500)
    group.add("calls alone", "ProcessPoolExecutor(2)", "calls", "pool", "N", n=2000)
    group.add("calls alone", "Dask LocalCluster(2)", "calls", "dask", "N", n=2000)
    return group


def reuse() -> Group:
    """The same work in a second process, with nothing to do."""
    note = (
        "Every result can be reused; what is called is `x + 1`. CPU and wall of the call alone (`evaluate`, "
        "the loop, the scheduler's or the command's run) per node; then of the whole second process, with "
        "the interpreter's start, the imports and the drawing of the graph. joblib and redun read the "
        "values as well; doit compares what it is told to, here the argument; TidyRun asks only whether the "
        "output is there. The bare loop makes a key for each point, finds it in one file of JSON and looks "
        "at the output's size and time. redun gets 1,000 calls: 10,000 take it minutes."
    )
    group = Group("reuse", "The same graph again", "µs", "Ramify", note)
    budget = "25 µs; 0.4 s the process"
    for work, shape in (("grid", "grid"), ("chains of 100", "chains")):
        group.add(work, "Ramify", "reuse", "ramify", shape, "N", FOLDER, n=10_000, budget=budget)
        if shape == "grid":
            group.add(work, "bare loop", "reuse", "bare", shape, "N", FOLDER, n=10_000)
        for who, n in (("joblib.Memory", 10_000), ("doit", 10_000), ("redun", 1_000), ("TidyRun", 1_000)):
            engine = who.lower().partition(".")[0]
            group.add(work, who, "reuse", engine, shape, "N", FOLDER, n=n)
    work = "five grids, one constant changed"
    group.add(work, "Ramify", "reuse", "ramify", "fifth", "N", FOLDER, n=10_000)
    return group


def pipelines() -> Group:
    """Tasks of bash."""
    note = (
        "Tasks of bash that do nothing, two at a time where the system can: each has its folder, its log and "
        "its state here and in DryPipe; a file of its own in Snakemake and doit. The loop is "
        "`for ...; do bash -c true; done`, one at a time. DryPipe gets fewer: a thousand take it minutes. "
        "Its tasks outlive it, so their CPU is not counted. `again` is a second process with nothing to do. "
        "A look at an instance in which nothing has happened asks what the generator asked, and does not run "
        "it; a pass runs it."
    )
    group = Group("pipelines", "Pipelines of bash tasks", "ms", "bash loop", note)
    work, budget = "no-op tasks", "1.5 × the loop, wall"
    group.add(work, "bash loop", "pipelines", "loop", "run", "N", FOLDER, n=1_000)
    group.add(work, "xargs -P2", "pipelines", "xargs", "run", "N", FOLDER, n=1_000)
    group.add(work, "Ramify", "pipelines", "ramify", "run", "N", FOLDER, n=1_000, budget=budget)
    for who, n in (("doit", 1_000), ("Snakemake", 1_000), ("DryPipe", 100)):
        group.add(work, who, "pipelines", who.lower(), "run", "N", FOLDER, n=n)
    for who, sizes in (("Ramify", (1_000, 10_000)), ("doit", (1_000,)), ("Snakemake", (1_000,))):
        for n in sizes:
            group.add("again", who, "pipelines", who.lower(), "again", "N", FOLDER, n=n)
    group.add("a look", "Ramify", "pipelines", "ramify-sweep", "sweep", "N", FOLDER, n=10_000)
    group.add("a pass", "Ramify", "pipelines", "ramify-pass", "sweep", "N", FOLDER, n=10_000)
    return group


def million() -> Group:
    """A million nodes at once."""
    note = "All nodes are there before the first runs; one that waits takes so many bytes with its call."
    group = Group("million", "A million nodes", "µs", "Ramify, inline", note)
    for n in (1_000, 10_000, 100_000, 1_000_000):
        group.add("independent", "Ramify, inline", "million", "ramify", "N", n=n)
        if n >= 100_000:
            group.add("independent", "ThreadPoolExecutor(2)", "million", "futures", "N", n=n)
    group.add("independent", "Dask, 2 threads", "million", "dask", "N", n=10_000)
    group.add("chain", "Ramify, inline", "million", "ramify-chain", "N", n=1_000_000)
    return group


def start() -> Group:
    """Commands from their start to their end."""
    note = "The whole command, the interpreter's own start included."
    group = Group("start", "Starting", "ms", "bare", note)
    for who, *command in (
        ("bare", "PYTHON", "-c", "pass"),
        ("Ramify, import", "PYTHON", "-c", "from ramify import DAG, Job"),
        ("Ramify, --help", "RAMIFY", "--help"),
        ("TidyRun, import", "PYTHON", "-c", "from tidyrun import DAG, Job"),
        ("Dask, import", "PYTHON", "-c", "from dask import delayed"),
        ("Dask, import distributed", "PYTHON", "-c", "from dask.distributed import Client"),
    ):
        group.add("start", who, "start", "N", *command, n=20)
    return group


GROUPS = {
    make.__name__: make
    for make in (memory, live, growth, grid, isolated, process, reuse, pipelines, million, start)
}
