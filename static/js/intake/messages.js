// What is said to the person: problems at the page's head, in sight and focused; and what only is read out.

import { setText } from "./words.js";

const problems = document.getElementById("problems");
const status = document.getElementById("said");

/** Say a problem where the person looks. `act` is { text, href | onclick }; `quietly` leaves focus and page where they are. */
export function tell(message, { about = "", act = null, quietly = false } = {}) {
  const line = document.createElement("p");
  line.textContent = message;
  if (act) {
    const way = document.createElement(act.href ? "a" : "button");
    if (act.href) Object.assign(way, { href: act.href, target: "_blank", rel: "noopener" });
    else Object.assign(way, { type: "button", className: "quiet underlined", onclick: act.onclick });
    way.textContent = act.text;
    line.append(" ", way);
  }
  problems.classList.remove("fine");
  problems.dataset.about = about;
  problems.replaceChildren(line);
  if (quietly) return;
  problems.focus({ preventScroll: true });
  problems.scrollIntoView({ block: "center" });
}

/** Put away what was said, of one matter only where it is named. */
export function untell(about = null) {
  if (about === null || problems.dataset.about === about) problems.replaceChildren();
}

let timer = null;

/** Have it read out, once things have come to rest. */
export function say(text) {
  clearTimeout(timer);
  timer = setTimeout(() => setText(status, text), 400);
}
