// Where the SKU stands in a file's name: said in words with an example, and changed here.

import { setText } from "./words.js";

export class SkuPattern {
  /** `onuse(pattern)` answers with what the desk says to it, or throws what is wrong with it. */
  constructor(box, { onuse }) {
    this.box = box;
    this.words = box.querySelector("[data-sku=words]");
    this.field = box.querySelector("input");
    this.error = box.querySelector("[data-sku=error]");
    const use = async (pattern) => {
      this.#tell("");
      try {
        await onuse(pattern);
      } catch (error) {
        this.#tell(error.message);
        this.field.focus();
      }
    };
    box.addEventListener("click", ({ target }) => {
      const { use: what } = target.dataset;
      if (what !== undefined) use(what === "typed" ? this.field.value.trim() : what);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      use(this.field.value.trim());
    });
  }

  show({ text, words, example }) {
    const isFolder = text === "folder";
    setText(this.words, [words || "none is taken from the names", example].filter(Boolean).join(": "));
    if (document.activeElement !== this.field) this.field.value = isFolder ? "" : text;
    for (const button of this.box.querySelectorAll("[data-use]")) {
      const { use } = button.dataset;
      if (use !== "typed") button.setAttribute("aria-pressed", use === text);
    }
  }

  #tell(message) {
    setText(this.error, message);
    this.error.hidden = !message;
    this.field.setAttribute("aria-invalid", Boolean(message));
  }
}
