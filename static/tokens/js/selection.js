// The rows that are selected: count them, and disable the act while none is selected.
import { all, words } from "./dom.js";

let lastClicked = null;

function update() {
  const boxes = all("[data-pick]");
  const checked = boxes.filter((box) => box.checked).length;
  for (const place of all("[data-picked]")) {
    place.textContent = words().selected.replace("{n}", checked);
    place.hidden = !checked;
  }
  for (const button of all("[data-needs-picks]")) button.disabled = !checked;
  for (const box of all("[data-pick-all]")) {
    box.disabled = !boxes.length;
    box.checked = checked > 0 && checked === boxes.length;
    box.indeterminate = checked > 0 && checked < boxes.length;
  }
}

addEventListener("change", (event) => {
  if (event.target.matches("[data-pick-all]")) {
    for (const box of all("[data-pick]")) box.checked = event.target.checked;
  }
  if (event.target.matches("[data-pick], [data-pick-all]")) update();
});
// Shift and a click select every row from the last one clicked to this one.
addEventListener("click", (event) => {
  if (!event.target.matches("[data-pick]")) return;
  const boxes = all("[data-pick]");
  const ends = [boxes.indexOf(lastClicked), boxes.indexOf(event.target)];
  const [from, to] = ends.sort((a, b) => a - b);
  if (event.shiftKey && from >= 0) {
    for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
    update();
  }
  lastClicked = event.target;
});
addEventListener("DOMContentLoaded", update);
addEventListener("pageshow", update);
document.addEventListener("htmx:afterSettle", update);
