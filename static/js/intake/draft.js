// The draft on the server: what the person has chosen in this team and not ordered. It is made with the first picture.

import { Refused, ask, fields } from "./desk.js";

const AT_ONCE = 500; // fields in one request: the desk takes no more than a thousand

export class Draft {
  #made = null;

  /**
   * `choices()` are the model and settings, for which every answer is. `onmoved` is told where the draft was ordered
   * meanwhile, in another tab, and a new one takes its place.
   */
  constructor({ id, team, address, choices, onmoved }) {
    Object.assign(this, { id, team, address, choices, onmoved });
  }

  async #ensure() {
    if (this.id) return;
    this.#made ??= ask(this.address, { data: fields({ of_team: this.team }) }).finally(() => (this.#made = null));
    const { draft } = await this.#made;
    this.id ??= draft;
  }

  async #ask(path, options) {
    const asked = this.id;
    try {
      return await ask(`${this.address}${asked}/${path}`, options);
    } catch (error) {
      const next = error instanceof Refused && error.status === 409 && error.body.draft;
      // Of several that notice, the first says so.
      if (next && this.id === asked && next !== asked) {
        this.id = next;
        this.onmoved(error.message);
      }
      throw error;
    }
  }

  #change(path, values) {
    return this.#ask(`${path}/`, { data: fields({ ...this.choices(), ...values }) });
  }

  /** Put something in: into the new draft where this one has gone. */
  async #add(path, values, options = {}) {
    await this.#ensure();
    const asked = this.id;
    const data = () => fields({ ...this.choices(), ...values });
    try {
      return await this.#ask(`${path}/`, { ...options, data: data() });
    } catch (error) {
      if (!(error instanceof Refused) || this.id === asked) throw error;
      return this.#ask(`${path}/`, { ...options, data: data() });
    }
  }

  load(signal) {
    return this.#ask(`?${new URLSearchParams(fields(this.choices()))}`, { signal });
  }

  addFile({ file, key, folder }, options) {
    return this.#add("files", { key, folder, file }, options);
  }

  addAddresses(text, key) {
    return this.#add("addresses", { text, key });
  }

  addEarlier(upscale, what) {
    return this.#add("results", { upscale, what });
  }

  async remove(ids) {
    for (let start = 0; start < ids.length; start += AT_ONCE) {
      await this.#change("remove", { id: ids.slice(start, start + AT_ONCE) });
    }
  }

  forgetLeftOut() {
    return this.#change("remove", { state: "left_out" });
  }

  change(id, values) {
    return this.#change(`items/${id}`, values);
  }

  setPattern(pattern) {
    return this.#change("pattern", { pattern });
  }

  order(values) {
    return this.#change("order", values);
  }
}
