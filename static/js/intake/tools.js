// Above the list: the views with their counts, what can be done with all that a view shows, and how far uploads are.

import { VIEWS, WRONG } from "./states.js";
import { number, plural, setText } from "./words.js";

export class Tools {
  #buttons = {};

  /** `onview(view)` for a chosen view; `onact(act)` for remove, anew and again, of all that is shown. */
  constructor({ views, act, uploading, onview, onact }) {
    Object.assign(this, { views, act, uploading });
    for (const [view, [title]] of Object.entries(VIEWS)) {
      const button = views.appendChild(document.createElement("button"));
      button.type = "button";
      button.className = "view";
      button.dataset.view = view;
      button.append(`${title} `, document.createElement("b"));
      button.addEventListener("click", () => onview(view));
      this.#buttons[view] = button;
    }
    act.addEventListener("click", ({ target }) => target.dataset.act && onact(target.dataset.act));
  }

  show({ counts, view, shown, text, price }) {
    const kinds = Object.keys(VIEWS).filter((one) => one !== "all" && counts[one]);
    // Of a single kind there is something to say too, unless all is as it should be.
    this.views.hidden = view === "all" && kinds.every((one, index) => index === 0 && (one === "send" || one === "uploading"));
    for (const [one, button] of Object.entries(this.#buttons)) {
      button.hidden = !counts[one] && one !== view;
      button.setAttribute("aria-pressed", one === view);
      button.classList.toggle("wrong", WRONG.includes(one));
      setText(button.lastElementChild, number(counts[one]));
    }
    const isPart = (view !== "all" || text !== "") && shown > 0;
    const those = shown === 1 ? "that one" : `those ${number(shown)}`;
    const acts = {
      remove: isPart && view !== "uploading" && `Remove ${those}`,
      cancel: isPart && view === "uploading" && `Cancel ${those}`,
      anew: isPart && view === "made" && `Make ${those} anew, for ${plural(shown * price, "credit")}`,
      again: isPart && view === "failed" && `Try ${those} again`,
    };
    for (const button of this.act.querySelectorAll("button")) {
      const words = acts[button.dataset.act];
      button.hidden = !words;
      setText(button, words || "");
    }
    setText(
      this.act.querySelector("p"),
      view === "made" && shown ? "Your team has these already, so they are left out of the order and cost nothing. Each row leads to its result." : "",
    );
    this.act.hidden = !isPart;
  }

  /** Of the files on their way; once they are here, of the archives that are being read. */
  showUploads({ unfinished, progress, pause, reading: [archive] }) {
    this.uploading.hidden = !unfinished && !archive;
    if (this.uploading.hidden) return;
    const bar = this.uploading.querySelector("progress");
    bar.value = unfinished ? 100 * progress : (100 * archive.done) / Math.max(1, archive.total);
    setText(this.uploading.querySelector("label"), unfinished ? this.#sending(unfinished, pause) : this.#reading(archive));
    this.uploading.querySelector("button").hidden = !unfinished || !pause;
  }

  #sending(unfinished, pause) {
    if (!pause) return `Uploading, ${plural(unfinished, "file")} to go`;
    return pause.signedOut ? "Waits until you are signed in again" : `${pause.message} It is tried again by itself`;
  }

  #reading({ name, done, total }) {
    return `Reading ${name}, ${number(done)} of ${plural(total, "picture")}`;
  }
}
