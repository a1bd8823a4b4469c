// Runs before the first paint, so a remembered theme does not flash. The theme follows the
// system until the switch is pressed; choosing the system theme again forgets the choice.
(() => {
  const root = document.documentElement;
  const key = "tokens-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage is switched off: follow the system
    }
  };
  const systemTheme = () => (system.matches ? "dark" : "light");
  const show = () => {
    const theme = read() || systemTheme();
    if (read()) root.dataset.theme = theme;
    else delete root.dataset.theme;
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.setAttribute("aria-pressed", String(theme === "dark"));
    }
  };
  root.classList.add("js");
  show();
  system.addEventListener("change", show);
  addEventListener("storage", show);
  addEventListener("DOMContentLoaded", show);
  addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const next = (read() || systemTheme()) === "dark" ? "light" : "dark";
    try {
      if (next === systemTheme()) localStorage.removeItem(key);
      else localStorage.setItem(key, next);
    } catch {
      return;
    }
    show();
  });
})();
