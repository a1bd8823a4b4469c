// The review opens in a dialog; after a revocation the page behind it is loaded again. On a review's
// own page there is no dialog, and the server sends the browser back.
import { $, all, words } from "./dom.js";
import { say } from "./notices.js";

const dialog = $("#dialog");
let opener = null;
let pending = null; // the message of a revocation that the page does not show yet

addEventListener("click", (event) => {
  if (!event.target.closest("dialog [data-close]")) return;
  event.preventDefault();
  event.target.closest("dialog").close();
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { target } = event.detail;
  if (dialog && target && target.id === "review" && !dialog.open) opener = document.activeElement;
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id !== "review") return;
  if (dialog && !dialog.open) {
    // The live region moves into the dialog, because everything outside it is inert.
    dialog.prepend($("#notices"));
    $("#notices").replaceChildren();
    dialog.showModal();
  }
  // The dialog has set the focus; htmx would set it again when it settles.
  const begins = $("#review [autofocus]");
  if (begins) begins.removeAttribute("autofocus");
});
// htmx puts the attributes of swapped elements in place only when it settles.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target.id !== "review") return;
  const invalid = $("#review [aria-invalid=true]");
  const first = invalid || $("#review h1");
  // Leave the focus alone when it is in the review already.
  const inside = $("#review").contains(document.activeElement);
  if (first && (invalid || !inside)) first.focus();
});
dialog?.addEventListener("close", () => {
  $("#main").before($("#notices"));
  $("#review").replaceChildren();
  if (opener && opener.isConnected) opener.focus({ preventScroll: true });
});

const states = () => new Map(all("[data-row]").map((row) => [row.dataset.row, row.dataset.state]));

function markChanges(before) {
  const changed = all("[data-row]").filter(
    (row) => before.has(row.dataset.row) && before.get(row.dataset.row) !== row.dataset.state,
  );
  for (const row of changed) row.classList.add("changed");
  const same = opener && opener.id ? document.getElementById(opener.id) : null;
  const link = changed.length ? changed[0].querySelector("a") : null;
  const places = [opener, same, link, $("#rows"), $("#main")];
  const place = places.find((one) => one && one.isConnected && !one.disabled);
  place.focus({ preventScroll: true });
}

// A result that no address leads to again is kept: what was revoked is marked in it.
function keeps(act) {
  const result = act && act.closest("[data-kept]");
  if (!result) return false;
  const form = act.closest("[data-act]");
  const one = form.dataset.act === "one";
  const same = (other) => !one || other.getAttribute("href") === form.getAttribute("href");
  for (const other of result.querySelectorAll("[data-act]")) {
    if (!same(other)) continue;
    const mark = document.createElement("strong");
    mark.className = "danger-text";
    mark.textContent = words().revoked;
    // What was true before the revocation is not shown after it.
    const token = other.closest("li");
    for (const before of token?.querySelectorAll("[data-before]") || []) before.remove();
    other.replaceWith(mark);
  }
  result.querySelector(".page-head [data-before]")?.remove();
  result.querySelector("h2").focus({ preventScroll: true });
  return true;
}

document.addEventListener("portal:revoked", (event) => {
  const { message } = event.detail;
  const before = states();
  dialog?.close();
  say(message, "success");
  if (keeps(opener)) return;
  const list = $("#rows");
  const reload = new AbortController();
  document.addEventListener("htmx:afterSettle", () => markChanges(before), {
    once: true,
    signal: reload.signal,
  });
  pending = { message, reload };
  const request = htmx.ajax("GET", location.pathname + location.search, {
    target: list ? "#rows" : "#main",
    select: list ? undefined : "#main",
    swap: "outerHTML",
  });
  request.catch(() => reload.abort()).finally(() => (pending = null));
});
document.addEventListener("portal:notice", (event) => say(event.detail.message, "success"));

// Report a request that failed. If it was the reload after a revocation, the revocation itself
// succeeded, and the notice says so.
export function sayFailed(text) {
  if (!pending) return say(text);
  pending.reload.abort();
  return say(`${pending.message} ${words().unseen}`, "warning");
}
