// A token that is pasted, dropped or typed into a search goes to the inspector by POST. A search
// would put it into the address.
import { $, words } from "./dom.js";
import { say } from "./notices.js";

const TOKEN = /eyJ[\w-]+\.[\w-]*\.[\w-]+/;

// Send a text with a token to the inspector; tell whether it holds one.
function inspects(text) {
  if (!TOKEN.test(text.replace(/\s/g, ""))) return false;
  const form = $("#pasted");
  if (form) {
    form.elements.token.value = text;
    form.submit();
  } else say(words().token);
  return true;
}

const isSearch = (form) => form && form.method === "get";

function inspectsData(event, data) {
  if (!isSearch(event.target.form) || !data) return;
  if (inspects(data.getData("text"))) event.preventDefault();
}

addEventListener("paste", (event) => inspectsData(event, event.clipboardData));
addEventListener("drop", (event) => inspectsData(event, event.dataTransfer));
// A field that is shorter than a token would cut its signature, and the token would look forged. The
// server refuses other long texts.
addEventListener("focusin", (event) => {
  const field = event.target;
  if (field.maxLength > 0 && isSearch(field.form)) field.removeAttribute("maxlength");
});
addEventListener(
  "submit",
  (event) => {
    if (!isSearch(event.target)) return;
    const typed = [...new FormData(event.target).values()].join(" ");
    if (inspects(typed)) event.preventDefault();
  },
  true,
);
document.addEventListener("htmx:configRequest", (event) => {
  const { verb, formData } = event.detail;
  if (verb === "get" && inspects([...formData.values()].join(" "))) event.preventDefault();
});
