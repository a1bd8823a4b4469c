// Complete user names as they are typed, from the admin autocompletion view.
"use strict";
{
  const WAIT = 200;
  for (const field of document.querySelectorAll("[data-completes]")) {
    let waiting = 0;
    let asked = "";
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      const typed = field.value.trim();
      if (!typed || typed === asked) return;
      waiting = setTimeout(async () => {
        asked = typed;
        const url = new URL(field.dataset.completes, location.href);
        url.searchParams.set("term", typed);
        const answer = await fetch(url, { credentials: "same-origin" }).catch(() => null);
        if (asked !== typed) return;
        // Staff who may not see accounts get no suggestions.
        if (!answer) asked = "";
        if (!answer?.ok) return;
        const { results } = await answer.json();
        field.list.replaceChildren(
          ...results.map((one) => new Option(one.text, one.text)),
        );
      }, WAIT);
    });
  }
}
