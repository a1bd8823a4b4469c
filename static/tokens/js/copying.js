// Copy an id. The button shows that it worked; a screen reader hears it.
import { words } from "./dom.js";
import { announce, say } from "./notices.js";

const SHOWN_MILLISECONDS = 2000;

function showDone(button) {
  const use = button.querySelector("use");
  const icon = use.getAttribute("href");
  if (button.classList.contains("done")) return;
  button.classList.add("done");
  use.setAttribute("href", icon.replace("#copy", "#pass"));
  setTimeout(() => {
    button.classList.remove("done");
    use.setAttribute("href", icon);
  }, SHOWN_MILLISECONDS);
}

addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    showDone(button);
    announce(words().copied);
  } catch {
    say(words().clipboard);
  }
});
