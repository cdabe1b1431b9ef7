"""The widget where people see it: its script in a real browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from ramify import DAG
from ramify.dag.pictures import shapes_of

pytest.importorskip("anywidget", reason="the extra notebook is not installed")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(BROWSER is None, reason="platform: there is no Chromium here"),
]

PAGE = """<!doctype html><meta charset="utf-8">
<body><div id="cell" style="width: 900px"></div><pre id="told"></pre>
<script type="module">
const given = GIVEN;
class Model {  // what a page's half of a widget gets
  constructor(state) { this.state = state; this.heard = []; }
  get(name) { return this.state[name]; }
  on(event, call) { this.heard.push([event, call]); }
  off(event, call) { this.heard = this.heard.filter(([e, c]) => e !== event || c !== call); }
  set(name, value) {
    this.state[name] = value;
    for (const [event, call] of this.heard) if (event === "change:" + name) call();
  }
}
const cell = document.getElementById("cell");
const look = () => {
  const svg = cell.querySelector("svg"), box = svg.getBoundingClientRect();
  return {
    pictures: cell.querySelectorAll("svg").length,
    text: svg.textContent, seen: box.width > 50 && box.height > 20,
    completed: cell.querySelectorAll(".rg-box-completed").length,
    view: svg.getAttribute("viewBox"), heard: model.heard.length, scroll: cell.scrollTop,
  };
};
const model = new Model({ svg: given.states[0] });
const told = { errors: [], looks: [] };
try {
  const script = URL.createObjectURL(new Blob([given.script], { type: "text/javascript" }));
  const widget = (await import(script)).default;
  const leave = widget.render({ model, el: cell });
  told.looks.push(look());
  cell.style.height = "20px";
  cell.scrollTop = 20;
  const svg = cell.querySelector("svg"), middle = { clientX: 200, clientY: 20, cancelable: true };
  svg.dispatchEvent(new WheelEvent("wheel", { deltaY: -100, ctrlKey: true, ...middle }));
  told.scroll = cell.scrollTop;
  model.set("svg", given.states[1]);
  told.looks.push(look());
  leave();
  model.set("svg", given.states[0]);
  told.looks.push(look());
} catch (error) { told.errors.push(String(error)); }
document.getElementById("told").textContent = JSON.stringify(told);
</script>
"""


def shown_in_a_browser(widget: Any, states: list[str], folder: Path) -> dict[str, Any]:
    """What the page saw of its own picture."""
    given = json.dumps({"script": widget._esm, "states": states}).replace("</", "<\\/")
    page = folder / "page.html"
    page.write_text(PAGE.replace("GIVEN", given), encoding="utf-8")
    assert BROWSER is not None
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--virtual-time-budget=10000", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    told = done.stdout.partition('<pre id="told">')[2].partition("</pre>")[0]
    found: dict[str, Any] = json.loads(unescape(told))
    return found


def test_the_widget_draws_a_graph_and_its_end(tmp_path: Path) -> None:
    dag = DAG(name="diamond <of> four")
    first = dag.submit(abs, -1, name="first & only")
    last = dag.submit(sum, [dag.submit(abs, first), dag.submit(abs, first)], name="last")
    from ramify.notebook.graph_widget import GraphWidget

    widget = GraphWidget(shapes_of(dag), title="diamond <of> four")
    states = [widget.svg]
    dag.compute()
    assert last.result(30) == 2
    dag.wait(30)
    widget.update(shapes_of(dag))
    states.append(widget.svg)
    told = shown_in_a_browser(widget, states, tmp_path)
    assert told["errors"] == []
    before, after, left = told["looks"]
    assert before["pictures"] == 1 and before["seen"] and before["completed"] == 0
    assert "first & only" in before["text"] and before["heard"] == 1
    assert after["pictures"] == 1 and after["seen"] and after["completed"] == 4
    assert told["scroll"] > 10 and after["scroll"] == told["scroll"]  # where a person was looking
    assert after["view"] != before["view"]  # and what she had made larger
    assert left["heard"] == 0 and left["completed"] == 4  # nothing is drawn any more
