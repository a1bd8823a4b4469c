// Requests that fail: say why, and give the focus back.
import { words } from "./dom.js";
import { sayFailed } from "./review.js";

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const { status } = xhr;
  const refused = xhr.getResponseHeader("X-Form-Expired") ? words().expired : words().forbidden;
  const known = { 403: refused, 404: words().gone, 503: words().away };
  sayFailed(known[status] || words().failed.replace("{status}", status));
});

function sayUnanswered(event) {
  const { verb } = event.detail.requestConfig || {};
  sayFailed(verb === "post" ? words().lost : words().offline);
}
document.addEventListener("htmx:sendError", sayUnanswered);
document.addEventListener("htmx:timeout", sayUnanswered);

// A button that was disabled during the request has lost the focus.
const focused = new WeakMap();
document.addEventListener("htmx:beforeRequest", (event) => {
  focused.set(event.detail.xhr, document.activeElement);
});
document.addEventListener("htmx:afterRequest", (event) => {
  const { successful, xhr } = event.detail;
  const lost = document.activeElement === document.body ? focused.get(xhr) : null;
  if (!successful && lost && lost.isConnected) lost.focus({ preventScroll: true });
});
