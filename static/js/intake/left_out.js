// What came along and is no picture: named, with the reason, below the list. The server keeps its own of them; what
// the browser left out is known to this page alone.

import { plural, setText } from "./words.js";

const MOST = 200; // lines

export class LeftOut {
  #own = [];
  #kept = [];

  constructor(box, { onforget }) {
    this.box = box;
    this.summary = box.querySelector("summary");
    this.list = box.querySelector("ul");
    box.querySelector("button").addEventListener("click", () => {
      const isKept = this.#kept.length > 0;
      this.#own = [];
      this.set([]);
      if (isKept) onforget();
    });
  }

  get count() {
    return this.#own.length + this.#kept.length;
  }

  add(notes) {
    for (const note of notes) this.#own.push(note);
    this.#show();
  }

  /** What the server says now. */
  set(notes) {
    this.#kept = notes;
    this.#show();
  }

  #show() {
    const all = [...this.#kept, ...this.#own];
    this.box.hidden = !all.length;
    setText(this.summary, plural(all.length, "thing was left out", "things were left out"));
    const lines = all.slice(0, MOST).map(({ name, message }) => {
      const line = document.createElement("li");
      const bold = document.createElement("b");
      bold.textContent = name;
      line.append(bold, ` ${message}`);
      return line;
    });
    if (all.length > MOST) {
      const line = document.createElement("li");
      line.textContent = `and ${plural(all.length - MOST, "other")}`;
      lines.push(line);
    }
    this.list.replaceChildren(...lines);
  }
}
