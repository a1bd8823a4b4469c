// Ask the browser to make a passkey, or to sign with one, when a form of passkeys is sent.
import { words } from "./dom.js";
import { say } from "./notices.js";

const { credentials } = navigator;

async function answerOf(form) {
  const options = JSON.parse(form.dataset.options).publicKey;
  return form.dataset.passkey === "create"
    ? credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

// Whatever else sends the form, such as htmx, gets its event only with the answer in it.
async function fill(event) {
  const form = event.target.closest("form[data-passkey]");
  if (!form || form.elements.passkey.value || form.elements.code?.value) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  try {
    form.elements.passkey.value = JSON.stringify((await answerOf(form)).toJSON());
  } catch {
    say(words().passkey);
    return;
  }
  form.requestSubmit(event.submitter);
}
addEventListener("submit", fill, { capture: true });
