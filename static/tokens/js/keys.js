// Keyboard shortcuts: "/" goes to the search box, "?" lists the shortcuts, Escape closes menus, and
// Ctrl+Enter sends the text of the inspector.
import { $ } from "./dom.js";
import { closeMenus } from "./menus.js";

const isTyping = (target) => target.closest("input, textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  const sends = event.key === "Enter" && (event.ctrlKey || event.metaKey);
  if (sends && event.target.matches("[data-submit-key]")) event.target.form.requestSubmit();
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") closeMenus();
  if (isTyping(event.target) || $("dialog[open]")) return;
  if (event.key === "/") {
    const search = $("[data-find]");
    if (!search) return;
    event.preventDefault();
    search.focus();
    search.select();
  }
  if (event.key === "?") $("#keys").showModal();
});
