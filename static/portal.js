// What HTML cannot do by itself. Every page works without it.
(() => {
  const $ = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  // The server writes all texts, so that they are in the page's language.
  const words = () => $("#words").dataset;

  // The viewer's own time zone, for the times that the server writes.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${zone};path=/;max-age=31536000;samesite=lax`;

  const say = (text, kind = "error") => {
    const notice = document.createElement("div");
    notice.className = `notice notice-${kind}`;
    const said = document.createElement("p");
    said.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "link";
    close.dataset.dismiss = "";
    close.textContent = words().dismiss;
    notice.append(said, close);
    $("#notices").replaceChildren(notice);
  };

  // --- Keys.
  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") closeMenus();
    if (typing(event.target) || $("dialog[open]")) return;
    if (event.key === "/") {
      const search = $("[data-search]");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key === "?") $("#keys").showModal();
  });

  // --- Clicks: copy, close, dismiss, menus.
  const closeMenus = (except = null) => {
    for (const menu of all("details.menu[open]")) {
      if (menu.contains(except)) continue;
      const had = menu.contains(document.activeElement);
      menu.open = false;
      // Not only by Escape: Enter in one of its fields sends the form, and that closes it.
      if (had) menu.querySelector("summary").focus();
    }
  };
  addEventListener("click", async (event) => {
    closeMenus(event.target);
    if (event.target.closest("[data-dismiss]")) event.target.closest(".notice").remove();
    if (event.target.closest("dialog [data-close]")) {
      event.preventDefault();
      event.target.closest("dialog").close();
    }
    const copy = event.target.closest("[data-copy]");
    if (!copy) return;
    try {
      await navigator.clipboard.writeText(copy.dataset.copy);
      copy.classList.add("done");
      say(words().copied, "success");
    } catch {
      say(words().clipboard);
    }
  });

  // --- What is selected: counted, and nothing to revoke while it is nothing.
  let lastPick = null;
  const count = () => {
    const boxes = all("[data-pick]");
    const picked = boxes.filter((box) => box.checked).length;
    for (const place of all("[data-picked]")) {
      place.textContent = words().selected.replace("{n}", picked);
      place.hidden = !picked;
    }
    for (const button of all("[data-needs-picks]")) button.disabled = !picked;
    for (const box of all("[data-pick-all]")) {
      box.disabled = !boxes.length;
      box.checked = picked > 0 && picked === boxes.length;
      box.indeterminate = picked > 0 && picked < boxes.length;
    }
  };
  addEventListener("change", (event) => {
    if (event.target.matches("[data-pick-all]")) {
      for (const box of all("[data-pick]")) box.checked = event.target.checked;
    }
    if (event.target.matches("[data-pick], [data-pick-all]")) count();
  });
  // With shift, everything from the last one clicked to this one.
  addEventListener("click", (event) => {
    if (!event.target.matches("[data-pick]")) return;
    const boxes = all("[data-pick]");
    const [from, to] = [boxes.indexOf(lastPick), boxes.indexOf(event.target)].sort((a, b) => a - b);
    if (event.shiftKey && from >= 0) {
      for (const box of boxes.slice(from, to + 1)) box.checked = event.target.checked;
      count();
    }
    lastPick = event.target;
  });
  addEventListener("DOMContentLoaded", count);
  addEventListener("pageshow", count);
  document.addEventListener("htmx:afterSettle", count);

  // --- A double click on "Revoke" sends one request. htmx drops the second by itself (hx-sync).
  addEventListener("submit", (event) => {
    if (event.target.method !== "post" || (window.htmx && event.target.hasAttribute("hx-post"))) return;
    const form = event.target;
    const pressed = (event.submitter && event.submitter.value) || "1";
    if (form.dataset.sent === pressed) event.preventDefault();
    form.dataset.sent = pressed;
    // A file leaves the page where it is, and may be asked for again.
    if ("download" in form.dataset) setTimeout(() => delete form.dataset.sent, 1000);
  });
  const resend = () => {
    for (const form of all("[data-sent]:not([data-download])")) delete form.dataset.sent;
  };
  addEventListener("pageshow", resend);
  // Nothing came, and the person has stopped waiting for it.
  if (window.navigation) navigation.addEventListener("navigateerror", resend);

  // --- The review, in a dialog. The one live region moves into it: outside it would be inert.
  const dialog = $("#dialog");
  let opener = null;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { target } = event.detail;
    if (target && target.id === "review" && !dialog.open) opener = document.activeElement;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "review") return;
    if (!dialog.open) {
      dialog.prepend($("#notices"));
      $("#notices").replaceChildren();
      dialog.showModal();
    }
    // The focus is where it begins; htmx would take it back there, however late it settles.
    const begins = $("#review [autofocus]");
    if (begins) begins.removeAttribute("autofocus");
  });
  // htmx has put the attributes of what it swapped in their place only by now.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "review") return;
    const wrong = dialog.querySelector("[aria-invalid=true]");
    const first = wrong || dialog.querySelector("[data-close]");
    // Who is in it already is not thrown back to where it begins.
    const inside = $("#review").contains(document.activeElement);
    if (first && (wrong || !inside)) first.focus();
  });
  dialog.addEventListener("close", () => {
    $("#main").before($("#notices"));
    $("#review").replaceChildren();
    if (opener && opener.isConnected) opener.focus({ preventScroll: true });
  });

  // --- After the act: say what happened, and show what it changed where the person is.
  let unseen = null; // what to say, as long as the page does not show it
  const states = () => new Map(all("[data-row]").map((row) => [row.dataset.row, row.dataset.state]));
  document.addEventListener("portal:revoked", (event) => {
    const before = states();
    dialog.close();
    say(event.detail.said, "success");
    const list = $("#rows");
    const show = () => {
      const changed = all("[data-row]").filter(
        (row) => before.has(row.dataset.row) && before.get(row.dataset.row) !== row.dataset.state,
      );
      for (const row of changed) row.classList.add("changed");
      const same = opener && opener.id ? document.getElementById(opener.id) : null;
      const link = changed.length ? changed[0].querySelector("a") : null;
      const places = [opener, same, link, $("#rows"), $("#main")];
      const place = places.find((one) => one && one.isConnected && !one.disabled);
      place.focus({ preventScroll: true });
    };
    const lost = new AbortController();
    document.addEventListener("htmx:afterSettle", show, { once: true, signal: lost.signal });
    unseen = () => {
      lost.abort();
      return `${event.detail.said} ${words().unseen}`;
    };
    const request = htmx.ajax("GET", location.pathname + location.search, {
      target: list ? "#rows" : "#main",
      select: list ? undefined : "#main",
      swap: "outerHTML",
    });
    request.catch(() => lost.abort()).finally(() => (unseen = null));
  });
  document.addEventListener("portal:said", (event) => say(event.detail.said, "success"));

  // --- A search says what it found to those who do not see the rows change.
  document.addEventListener("htmx:afterSettle", (event) => {
    const { elt, target } = event.detail;
    const found = target && ["rows", "events"].includes(target.id) && $("[data-found]");
    if (!found || $("#notices .notice") || !$("form.filters, form.event-form")) return;
    if (elt && elt.id === "filters-on") return;
    const said = document.createElement("p");
    said.className = "visually-hidden";
    said.textContent = found.textContent;
    $("#notices").replaceChildren(said);
  });

  // --- A question is asked once. Enter changes a field and sends its form, while the typing before
  // is still counting down. Sent again after the answer, it is asked again.
  const asked = new WeakMap();
  document.addEventListener("htmx:confirm", (event) => {
    const { elt, triggeringEvent } = event.detail;
    if (!elt.matches("form.filters, form.event-form")) return;
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
    if (!one || one.xhr !== xhr) return; // a newer one has taken its place
    if (successful) one.xhr = null;
    else asked.delete(elt);
  });

  // --- Addresses: no empty filters in them, and none twice in the history.
  document.addEventListener("htmx:configRequest", (event) => {
    const { verb, formData } = event.detail;
    if (verb !== "get") return;
    for (const [name, value] of [...formData.entries()]) if (value === "") formData.delete(name);
  });
  document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
    const { history } = event.detail;
    if (history.path === location.pathname + location.search) history.type = "replace";
  });

  // --- Answers that are none.
  const fail = (text) => (unseen ? say(unseen(), "warning") : say(text));
  document.addEventListener("htmx:responseError", (event) => {
    const { status } = event.detail.xhr;
    const known = { 403: words().forbidden, 404: words().gone, 503: words().away };
    fail(known[status] || words().failed.replace("{status}", status));
  });
  const unanswered = (event) => {
    const { verb } = event.detail.requestConfig || {};
    fail(verb === "post" ? words().lost : words().offline);
  };
  document.addEventListener("htmx:sendError", unanswered);
  document.addEventListener("htmx:timeout", unanswered);
  // A button that was disabled meanwhile has lost the focus, and is what is pressed again.
  const pressed = new WeakMap();
  document.addEventListener("htmx:beforeRequest", (event) => {
    pressed.set(event.detail.xhr, document.activeElement);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { successful, xhr } = event.detail;
    const lost = document.activeElement === document.body ? pressed.get(xhr) : null;
    if (!successful && lost && lost.isConnected) lost.focus({ preventScroll: true });
  });
})();
