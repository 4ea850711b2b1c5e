// Pictures for which a shop's rule has no name, as where a code is missing: a warning, which holds nothing up.

import { plural, setText } from "./words.js";

export class Unnamed {
  constructor(box) {
    this.box = box; // not there where the team uses no shops
  }

  /** What the quote says of them; nothing for none. */
  show(unnamed) {
    if (!this.box) return;
    this.box.hidden = !unnamed;
    if (!unnamed) return;
    const { count, messages, more } = unnamed;
    setText(this.box.querySelector("summary"), `${plural(count, "file")} for shops will have ${count === 1 ? "its picture’s own name" : "their pictures’ own names"}`);
    const lines = more ? [...messages, `and ${plural(more, "other")}`] : messages;
    this.box.querySelector("ul").replaceChildren(
      ...lines.map((text) => {
        const line = document.createElement("li");
        line.textContent = text;
        return line;
      }),
    );
  }
}
