// What HTML cannot do itself. Every page works without it.
import "./timezone.js";
import "./notices.js";
import "./menus.js";
import "./keys.js";
import "./copying.js";
import "./selection.js";
import "./submitting.js";
import "./review.js";
import "./searching.js";
import "./pasting.js";
import "./failures.js";
import "./passkeys.js";
