// The admin has the theme of the other pages: its switch writes their key, and reads it at each page.
(() => {
  const theirs = "theme";
  const ours = "tokens-theme";
  try {
    localStorage.setItem(theirs, localStorage.getItem(ours) || "auto");
  } catch {
    return; // storage is switched off: follow the system
  }
  addEventListener("click", (event) => {
    if (!event.target.closest(".theme-toggle")) return;
    // Django's own listener, on the button itself, has written the new theme.
    const theme = localStorage.getItem(theirs);
    if (theme === "auto") localStorage.removeItem(ours);
    else localStorage.setItem(ours, theme);
  });
})();
