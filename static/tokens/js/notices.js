// Notices above the page: the only live region, so screen readers announce them.
import { $, words } from "./dom.js";

export function say(text, kind = "error") {
  const notice = document.createElement("div");
  notice.className = `notice notice-${kind}`;
  const message = document.createElement("p");
  message.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "link";
  close.dataset.dismiss = "";
  close.textContent = words().dismiss;
  notice.append(message, close);
  $("#notices").replaceChildren(notice);
}

// Announce a text to screen readers only. A visible notice stays where it is.
export function announce(text) {
  for (const old of $("#notices").querySelectorAll("[data-announced]")) old.remove();
  const message = document.createElement("p");
  message.className = "visually-hidden";
  message.dataset.announced = "";
  message.textContent = text;
  $("#notices").append(message);
}

addEventListener("click", (event) => {
  if (event.target.closest("[data-dismiss]")) event.target.closest(".notice").remove();
});
