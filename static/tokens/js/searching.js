// Filters and lists: announce results, ask each question once, keep addresses clean.
import { $ } from "./dom.js";
import { announce } from "./notices.js";

const FORMS = "form.filters, form.event-form";

document.addEventListener("htmx:afterSettle", (event) => {
  const { elt, target, requestConfig } = event.detail;
  const found = target && ["rows", "events"].includes(target.id) && $("[data-found]");
  if (!found || !$(FORMS) || (elt && elt.id === "filters-on")) return;
  // The reload after a revocation is no search; its notice is announced already.
  if (requestConfig && requestConfig.elt === document.body) return;
  announce(found.textContent);
});

// Enter changes a field and sends its form while the delay after typing still runs, so the same
// question would be asked twice. A form that is sent again after its answer is asked again.
const asked = new WeakMap();
document.addEventListener("htmx:confirm", (event) => {
  const { elt, triggeringEvent } = event.detail;
  if (!elt.matches(FORMS)) return;
  const question = new URLSearchParams(new FormData(elt)).toString();
  const before = asked.get(elt);
  const same = before && before.question === question;
  const sent = triggeringEvent && triggeringEvent.type === "submit";
  if (same && (before.xhr !== null || !sent)) event.preventDefault();
  else asked.set(elt, { question });
});
document.addEventListener("htmx:beforeRequest", (event) => {
  const one = asked.get(event.detail.elt);
  if (one) one.xhr = event.detail.xhr;
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, successful, xhr } = event.detail;
  const one = asked.get(elt);
  if (!one || one.xhr !== xhr) return; // a newer request has taken its place
  if (successful) one.xhr = null;
  else asked.delete(elt);
});

// An address holds no empty filters, and the history no address twice in a row.
document.addEventListener("htmx:configRequest", (event) => {
  const { verb, formData } = event.detail;
  if (verb !== "get") return;
  for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
});
document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
  const { history } = event.detail;
  if (history.path === location.pathname + location.search) history.type = "replace";
});
