// Uploads: three at a time, each by itself, tried again by itself. A file is kept only until it has arrived, and files
// are told apart by a key of the page's own: two folders may each have a front.jpg.

import { Cancelled, Refused, SignedOut, Unreachable } from "./desk.js";

const AT_ONCE = 3;
const LONGEST_PAUSE = 60; // seconds
const TRIES_OF_ONE = 4; // of a file that the desk fails at, when others come through
const LOOK_AGAIN = 10_000; // milliseconds, whether the person has signed in again

const MOVED = "This can’t be read: it is a folder, was moved or changed meanwhile, or may not be opened. Choose it again.";

/** A key that no other file has. randomUUID is only there over HTTPS. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the file is still there: to the network, one that was moved looks like a broken connection. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

export class Uploads {
  #queue = [];
  #active = 0;
  #failures = 0;
  #timer = null;
  #count = 0;
  #sent = 0; // bytes of those that have arrived

  /**
   * `send(entry, options)` is one upload. `onarrived(entry, answer)` after it, `onchange(entry)` for a new state of one
   * of them, `onprogress(entry)` for its percentage, `onpause({ message, until, signedOut } | null)` for all.
   */
  constructor({ send, onarrived, onchange, onprogress, onpause }) {
    Object.assign(this, { send, onarrived, onchange, onprogress, onpause });
    this.entries = new Map();
    this.total = 0; // bytes, of this round
    this.pause = null;
    addEventListener("online", () => this.goOn());
    addEventListener("focus", () => this.pause?.signedOut && this.goOn());
  }

  get unfinished() {
    let count = 0;
    for (const { state } of this.entries.values()) count += state === "failed" ? 0 : 1;
    return count;
  }

  /** Between 0 and 1, of all that were chosen since nothing was left to do. */
  get progress() {
    let sent = this.#sent;
    for (const entry of this.entries.values()) sent += entry.sent;
    return this.total ? Math.min(1, sent / this.total) : 0;
  }

  add(files) {
    if (!this.unfinished) this.#sent = this.total = 0;
    for (const { file, folder = "", state = "waiting", problem, message = "" } of files) {
      const entry = {
        key: newKey(),
        number: ++this.#count,
        file,
        folder,
        name: file.name,
        size: file.size,
        state,
        problem, // of those that are not sent at all
        message,
        sent: 0,
        tries: 0,
        stop: null,
      };
      this.entries.set(entry.key, entry);
      if (state === "waiting") {
        this.total += file.size;
        this.#queue.push(entry);
      }
    }
    this.#pump();
  }

  /** Take one off, on its way or not. */
  cancel(key) {
    const entry = this.entries.get(key);
    if (!entry) return;
    this.entries.delete(key);
    if (entry.state !== "failed") this.total -= entry.size;
    entry.state = "cancelled";
    entry.stop?.abort();
    this.#pump();
  }

  again(key) {
    const entry = this.entries.get(key);
    if (entry?.state !== "failed") return;
    Object.assign(entry, { state: "waiting", message: "", tries: 0 });
    this.total += entry.size;
    this.#queue.push(entry);
    this.onchange(entry);
    this.goOn();
  }

  /** Try again now, after a pause. */
  goOn() {
    clearTimeout(this.#timer);
    if (this.pause) {
      this.pause = null;
      this.onpause(null);
    }
    this.#pump();
  }

  #pump() {
    while (this.#active < AT_ONCE && !this.pause && this.#queue.length) {
      const entry = this.#queue.shift();
      if (entry.state !== "waiting") continue;
      this.#active += 1;
      this.#send(entry).finally(() => {
        this.#active -= 1;
        this.#pump();
      });
    }
  }

  async #send(entry) {
    entry.state = "sending";
    entry.stop = new AbortController();
    this.onchange(entry);
    try {
      if (!(await isReadable(entry.file))) throw new Refused(MOVED, 0, {});
      const answer = await this.send(entry, {
        signal: entry.stop.signal,
        onprogress: (sent, total) => {
          entry.sent = Math.min(entry.size, (entry.size * sent) / total);
          this.onprogress(entry);
        },
      });
      this.#failures = 0;
      this.#sent += entry.size;
      this.entries.delete(entry.key);
      this.onarrived(entry, answer);
    } catch (error) {
      this.#cameToNothing(entry, error);
    }
  }

  #cameToNothing(entry, error) {
    if (error instanceof Cancelled || entry.state === "cancelled") return;
    entry.sent = 0;
    if (error instanceof SignedOut) {
      this.#putBack(entry);
      this.#wait({ message: error.message, signedOut: true, until: Date.now() + LOOK_AGAIN });
    } else if (error instanceof Unreachable && (error.status !== 500 || ++entry.tries < TRIES_OF_ONE)) {
      this.#putBack(entry, error.status === 500);
      // Several that break together are one failure.
      if (this.pause) return;
      this.#failures += 1;
      const seconds = Math.max(error.pause, Math.min(LONGEST_PAUSE, 2 ** (this.#failures - 1)) * (0.8 + 0.4 * Math.random()));
      this.#wait({ message: error.message, signedOut: false, until: Date.now() + 1000 * seconds });
    } else {
      if (!(error instanceof Refused || error instanceof Unreachable)) console.error(error);
      entry.state = "failed";
      entry.message = error.message;
      this.total -= entry.size;
      this.onchange(entry);
    }
  }

  #putBack(entry, last = false) {
    entry.state = "waiting";
    this.#queue[last ? "push" : "unshift"](entry);
    this.onchange(entry);
  }

  #wait(pause) {
    this.pause = pause;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.goOn(), pause.until - Date.now());
    this.onpause(pause);
  }
}
