// What the desk would refuse after an upload for nothing.

import { fileSize } from "./words.js";

const HOLDS_MANY = /\.(zip|csv|tsv|xlsx)$/i;

export class Limits {
  constructor({ accept, maxBytes, maxArchiveBytes, formats }) {
    this.accept = accept.split(",").map((type) => type.trim());
    this.maxBytes = Number(maxBytes);
    this.maxArchiveBytes = Number(maxArchiveBytes || maxBytes);
    this.formats = formats;
  }

  /** What is wrong with a file, as a row has it; {} where nothing is. */
  problemOf({ name, type, size }) {
    const most = HOLDS_MANY.test(name) ? this.maxArchiveBytes : this.maxBytes;
    if (size > most) return this.#refuse("too_large", `It has ${fileSize(size)}. The most is ${fileSize(most)}.`);
    if (HOLDS_MANY.test(name) || !type || this.accept.includes(type)) return {};
    return this.#refuse(
      "unreadable",
      `The desk doesn’t know this kind of file. It reads ${this.formats}, and pictures in a ZIP, CSV or XLSX file.`,
    );
  }

  #refuse(problem, message) {
    return { state: "failed", problem, message };
  }
}
