// Shows the picture that Python drew; where a person has moved or scaled it, it stays so when it changes.
function render({ model, el }) {
  el.classList.add("rg-holder");
  el.style.overflow = "auto";
  el.style.maxHeight = "80vh";
  const draw = () => {
    const left = el.scrollLeft, top = el.scrollTop;
    el.innerHTML = model.get("svg");
    ramifyPanZoom(el, el.ramifyView);
    el.scrollLeft = left;
    el.scrollTop = top;
  };
  draw();
  model.on("change:svg", draw);
  return () => model.off("change:svg", draw);
}
export default { render };
