// Where the pictures go: the ticked shops in the list's summary, and the factor that follows them or stands by itself.

import { setText } from "./words.js";

export class Goes {
  #count = null;

  constructor(form) {
    this.form = form;
  }

  /** Everything that is chosen beside the pictures, by name; the shops as a list. */
  choices() {
    const inputs = [...this.form.querySelectorAll(".desk-choices input[name]:enabled")];
    const set = inputs.filter(({ type, checked }) => checked || !["radio", "checkbox"].includes(type));
    const values = Object.fromEntries(set.map(({ name, value }) => [name, value]));
    const channels = this.#ticked.map(({ value }) => value);
    return channels.length ? { ...values, channels } : values;
  }

  get #ticked() {
    return [...this.form.querySelectorAll("[name=channels]:checked")];
  }

  /** After any choice of the person's. */
  refresh() {
    const ticked = this.#ticked;
    const titles = this.form.querySelector("[data-goes=titles]");
    if (!titles) return;
    setText(titles, ticked.map(({ id }) => this.form.querySelector(`label[for="${id}"]`).textContent).join(", "));
    const before = this.#count;
    this.#count = ticked.length;
    const asNeeded = document.getElementById("upscale_factor-as-needed");
    if (!asNeeded) return;
    // Without shops nobody says what is needed; and who begins to choose shops wants what they need.
    if (!ticked.length && asNeeded.checked) document.querySelector("[name=upscale_factor][data-usual]").checked = true;
    else if (ticked.length && before === 0) asNeeded.checked = true;
  }
}
