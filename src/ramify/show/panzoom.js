// Moves and scales a drawn graph: drag, pinch, or the wheel with Ctrl or Cmd held, so that the page still
// scrolls; a double click shows the whole. Used by HTML documents and by the notebook's widget.
function ramifyPanZoom(holder, kept) {
  const svg = holder.querySelector("svg.ramify-graph");
  if (!svg || !svg.viewBox) return null;
  const whole = svg.getAttribute("viewBox");
  const box = svg.viewBox.baseVal;
  if (kept) svg.setAttribute("viewBox", kept);
  const remember = () => { holder.ramifyView = svg.getAttribute("viewBox"); };
  const show = (x, y, w, h) => { svg.setAttribute("viewBox", [x, y, w, h].join(" ")); remember(); };
  const scale = () => Math.max(box.width / svg.clientWidth, box.height / svg.clientHeight);
  svg.style.touchAction = "pan-y";
  svg.style.cursor = "grab";
  svg.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const matrix = svg.getScreenCTM();
    if (!matrix) return;
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    const by = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300)));
    show(at.x - (at.x - box.x) * by, at.y - (at.y - box.y) * by, box.width * by, box.height * by);
  }, { passive: false });
  let last = null;
  svg.addEventListener("pointerdown", (event) => {
    if (event.button === 0) { last = event; svg.setPointerCapture(event.pointerId); svg.style.cursor = "grabbing"; }
  });
  svg.addEventListener("pointermove", (event) => {
    if (!last) return;
    const by = scale();
    show(box.x - (event.clientX - last.clientX) * by, box.y - (event.clientY - last.clientY) * by,
      box.width, box.height);
    last = event;
  });
  const stop = () => { last = null; svg.style.cursor = "grab"; };
  svg.addEventListener("pointerup", stop);
  svg.addEventListener("pointercancel", stop);
  svg.addEventListener("dblclick", () => { svg.setAttribute("viewBox", whole); holder.ramifyView = null; });
  return svg;
}
