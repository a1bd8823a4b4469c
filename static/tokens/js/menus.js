// Menus are <details> elements; they close on Escape and on a click elsewhere.
import { all } from "./dom.js";

export function closeMenus(except = null) {
  for (const menu of all("details.menu[open]")) {
    if (menu.contains(except)) continue;
    const hadFocus = menu.contains(document.activeElement);
    menu.open = false;
    // Enter in a field of the menu sends the form, and closes the menu as well.
    if (hadFocus) menu.querySelector("summary").focus();
  }
}

addEventListener("click", (event) => closeMenus(event.target));
