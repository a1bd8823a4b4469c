// A double click on a button sends its form once. htmx drops the second request itself (hx-sync).
import { all } from "./dom.js";

const DOWNLOAD_MILLISECONDS = 1000;

addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || (window.htmx && form.hasAttribute("hx-post"))) return;
  const pressed = (event.submitter && event.submitter.value) || "1";
  if (form.dataset.sent === pressed) event.preventDefault();
  form.dataset.sent = pressed;
  // A download leaves the page where it is, so the form can be sent again.
  if ("download" in form.dataset) {
    setTimeout(() => delete form.dataset.sent, DOWNLOAD_MILLISECONDS);
  }
});

function allowAgain() {
  for (const form of all("[data-sent]:not([data-download])")) delete form.dataset.sent;
}
addEventListener("pageshow", allowAgain);
// The browser stopped waiting for an answer.
if (window.navigation) navigation.addEventListener("navigateerror", allowAgain);
