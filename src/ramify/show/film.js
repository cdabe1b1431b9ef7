// Plays the frames of a graph that grew: one drawing, of which each frame says what is there and how it looks.
// Used by HTML documents; `film` is the data that Python wrote, `holder` has the drawing, `bar` the controls.
function ramifyFilm(film, holder, bar) {
  const ask = (name) => bar.querySelector(`[data-do="${name}"]`);
  // A group has a bar with a part for each status, where its picture has those that there are at last.
  const bars = (element) => {
    const [box, ...old] = element.querySelectorAll("rect");
    if (!element.querySelector("text.rg-soft")) return [];
    old.forEach((part) => part.remove());
    return film.looks.map((look) => {
      const part = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      part.setAttribute("class", `rg-ink-${look.name}`);
      part.setAttribute("y", Number(box.getAttribute("y")) + Number(box.getAttribute("height")) - 5);
      part.setAttribute("height", 2.6);
      element.append(part);
      return part;
    });
  };
  const nodes = [...holder.querySelectorAll(".rg-node")].map((element) => ({
    element,
    title: element.querySelector("title"),
    rect: element.querySelector("rect"),
    sign: element.querySelector("path[transform]"),
    pile: element.querySelector("path:not([transform])"),
    count: element.querySelector("text.rg-soft"),
    bars: bars(element),
  }));
  const lines = [...holder.querySelectorAll(".rg-edge > path")];
  const tips = [...holder.querySelectorAll(".rg-tip > path")];
  const joints = [...holder.querySelectorAll(".rg-tip > circle")];
  const show = (element, there) => element.setAttribute("visibility", there ? "inherit" : "hidden");
  const paint = (node, look) => {
    node.rect.setAttribute("class", `rg-box-${look.name}`);
    node.rect.setAttribute("stroke-dasharray", look.dashed ? "4 2.5" : "none");
    node.sign.setAttribute("d", look.sign);
    node.sign.setAttribute("class", look.filled ? `rg-ink-${look.name}` : `rg-pen-${look.name}`);
    node.sign.setAttribute("fill", look.filled ? "currentColor" : "none");
    node.sign.setAttribute("stroke", look.filled ? "none" : "currentColor");
    node.sign.setAttribute("stroke-width", "2");
    node.sign.setAttribute("stroke-linecap", "round");
    if (node.pile) node.pile.setAttribute("class", `rg-pen-${look.name}`);
  };
  const divide = (node, tally) => {
    const all = tally.reduce((sum, one) => sum + one, 0);
    node.count.textContent = all > 1 ? `×${all.toLocaleString("en").replace(/,/g, "\u202f")}` : "";
    const rect = node.rect;
    let at = Number(rect.getAttribute("x")) + 8;
    const room = Number(rect.getAttribute("width")) - 16;
    node.bars.forEach((part, status) => {
      const wide = all ? (room * tally[status]) / all : 0;
      part.setAttribute("x", at);
      part.setAttribute("width", wide);
      at += wide;
    });
  };
  const describe = (tally) => film.looks.filter((_, status) => tally[status])
    .map((look) => `${tally[film.looks.indexOf(look)]} ${look.status}`).join(", ");
  const legend = film.looks.map((look) => bar.querySelector(`[data-status="${look.name}"]`));

  let now = -1;
  let drawn = "";
  const draw = (number) => {
    now = Math.max(0, Math.min(film.frames.length - 1, number));
    const frame = film.frames[now];
    const there = nodes.map((_, place) => frame.states[place] !== ".");
    nodes.forEach((node, place) => {
      const tally = frame.tallies[place];
      if (drawn[place] === frame.states[place] && !tally && !node.count) return;
      show(node.element, there[place]);
      if (!there[place]) return;
      const look = film.looks[Number(frame.states[place])];
      paint(node, look);
      if (node.count) divide(node, tally);
      node.title.textContent = `${film.names[place]}\n${tally ? describe(tally) : look.status}`;
    });
    drawn = frame.states;
    const above = new Set();
    const below = new Set();
    film.lines.forEach(([upper, lower]) => {
      if (lower >= nodes.length && there[upper]) above.add(lower);
      else if (upper >= nodes.length && there[lower]) below.add(upper);
    });
    const seen = (place) => (place < nodes.length ? there[place] : above.has(place) && below.has(place));
    const open = film.lines.map(([upper, lower]) => seen(upper) && seen(lower));
    lines.forEach((line, place) => show(line, open[place]));
    tips.forEach((tip, place) => show(tip, film.tips[place].some((line) => open[line])));
    joints.forEach((joint, place) => show(joint, seen(nodes.length + place)));
    legend.forEach((entry, status) => {
      if (entry) entry.querySelector("b").textContent = frame.counts[status];
    });
    ask("time").textContent = frame.time;
    ask("grew").textContent = frame.grew;
    const slider = ask("seek");
    slider.value = now;
    slider.setAttribute("aria-valuetext", `${frame.time}, ${describe(frame.counts) || "no nodes"}`);
    ask("back").disabled = ask("first").disabled = now === 0;
    ask("next").disabled = ask("last").disabled = now === film.frames.length - 1;
  };

  let clock = 0;
  const sign = ask("play").querySelector("path").getAttribute("d");
  const playing = (on) => {
    clearTimeout(clock);
    clock = on ? setTimeout(tick, 400 / Number(ask("speed").value)) : 0;
    ask("play").querySelector("path").setAttribute("d", on ? "M5 3V13M11 3V13" : sign);
    ask("play").setAttribute("aria-label", on ? "Pause" : "Play");
  };
  const tick = () => {
    draw(now + 1);
    playing(now < film.frames.length - 1);
  };
  const go = (number) => { playing(false); draw(number); };
  const play = () => {
    if (clock) { playing(false); return; }
    if (now === film.frames.length - 1) draw(0);
    playing(film.frames.length > 1);
  };
  const acts = {
    first: () => go(0), back: () => go(now - 1), play, next: () => go(now + 1),
    last: () => go(film.frames.length - 1),
  };
  Object.entries(acts).forEach(([name, act]) => ask(name).addEventListener("click", act));
  ask("seek").addEventListener("input", (event) => go(Number(event.target.value)));
  const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last", " ": "play" };
  document.addEventListener("keydown", (event) => {
    const busy = ["INPUT", "SELECT", "BUTTON"].includes(event.target.tagName);
    const name = keys[event.key];
    const own = event.target.tagName === "BUTTON" && event.key !== " ";
    if (!name || (busy && !own) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[name]();
  });
  ask("seek").max = film.frames.length - 1;
  bar.hidden = false;
  draw(0);
}
