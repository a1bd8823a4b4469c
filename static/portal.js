// What HTML cannot do by itself. Every page works without it.
(() => {
  const $ = (selector) => document.querySelector(selector);

  // The viewer's own time zone, for the times that the server writes.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone};path=/;max-age=31536000;samesite=lax`;

  const say = (text, kind = "error") => {
    const notice = document.createElement("div");
    notice.className = `notice notice-${kind}`;
    const words = document.createElement("p");
    words.textContent = text;
    notice.append(words);
    $("#notices").replaceChildren(notice);
  };

  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.key === "/") {
      const search = $("[data-search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key === "?") $("#keys").showModal();
  });

  addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        copy.classList.add("done");
      } catch {
        say("The clipboard is not available here.");
      }
    }
    if (event.target.closest("dialog [data-close]")) {
      event.preventDefault();
      event.target.closest("dialog").close();
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of document.querySelectorAll("[data-pick]")) box.checked = event.target.checked;
    }
  });

  // A double click on "Revoke" sends one request.
  addEventListener("submit", (event) => {
    if (event.target.method !== "post") return;
    if (event.target.dataset.sent) event.preventDefault();
    event.target.dataset.sent = "1";
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
  });

  let opener = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target && event.detail.target.id === "dialog") opener = document.activeElement;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "dialog") return;
    const dialog = event.detail.target;
    if (!dialog.open) dialog.showModal();
    const first = dialog.querySelector("[data-close]");
    if (first) first.focus();
  });
  const dialog = $("#dialog");
  dialog.addEventListener("close", () => opener && opener.isConnected && opener.focus());

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status === 422) event.detail.shouldSwap = true;
  });
  document.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    if (status === 422) return;
    if (status === 403) say("You may not do this. Ask whoever administers the portal.");
    else if (status === 404) say("This is not there any more. Reload the page.");
    else if (status === 503) say("The service cannot answer just now. Nothing was changed; try again in a moment.");
    else say(`The portal answered ${status}. Nothing was changed; try again, or reload the page.`);
  });
  document.addEventListener("htmx:sendError", () => {
    say("The portal cannot be reached. Nothing was changed; try again when the network is back.");
  });
})();
