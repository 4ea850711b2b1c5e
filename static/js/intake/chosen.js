// All that is chosen, on this side and on the server, and the parts of the page that show it.

import { Cost } from "./cost.js";
import { Refused, SignedOut } from "./desk.js";
import { Draft } from "./draft.js";
import { Goes } from "./goes.js";
import { LeftOut } from "./left_out.js";
import { Limits } from "./limits.js";
import { List } from "./list.js";
import { say, tell, untell } from "./messages.js";
import { CHANGES, countWords, rowOfEntry, rowOfItem, sortKey } from "./rows.js";
import { SkuPattern } from "./sku.js";
import { countViews, sentence } from "./states.js";
import { Tools } from "./tools.js";
import { Unnamed } from "./unnamed.js";
import { Uploads, newKey } from "./uploads.js";
import { plural, setText } from "./words.js";

const NO_SOURCE = "Choose pictures first: drop them on the page, choose files or a folder, or paste addresses.";
const SIGN_IN = { text: "Sign in in another tab", href: "/accounts/login/" };
const byId = (id) => document.getElementById(id);

export class Chosen {
  #items = new Map(); // rows of what is on the server
  #removed = new Set();
  #reading = []; // archives that the server is still at
  #quote = null;
  #changes = 0;
  #load = { timer: null, stop: null, last: 0 };
  #drawn = 0;
  #isOrdering = false;
  #isNamed = false;
  #leavesUnasked = false;

  constructor(form) {
    this.form = form;
    const { draft, team, drafts } = form.dataset;
    this.limits = new Limits(form.dataset);
    this.draft = new Draft({
      id: draft ? Number(draft) : null,
      team,
      address: drafts,
      choices: () => this.goes.choices(),
      onmoved: (message) => {
        this.#items.clear();
        this.leftOut.set([]);
        this.#draw();
        this.#loadSoon();
        tell(message);
      },
    });
    this.uploads = new Uploads({
      send: (entry, options) => this.draft.addFile(entry, options),
      onarrived: (entry, answer) => this.#took(answer),
      onchange: () => this.#drawSoon(),
      onprogress: (entry) => {
        this.list.patch(rowOfEntry(entry));
        this.#showUploads();
      },
      onpause: (pause) => this.#paused(pause),
    });
    this.list = new List({
      frame: byId("rows-frame"),
      list: byId("rows"),
      template: byId("row"),
      onact: (act, row) => this.#act(act, [row]),
      onsku: (row, sku) => row.item && this.#changeOne(row, { sku }),
    });
    this.tools = new Tools({
      views: byId("views"),
      act: byId("views-act"),
      uploading: byId("uploading"),
      onview: (view) => this.show({ view }),
      onact: (act) => this.#act(act, [...this.list.shown]),
    });
    this.cost = new Cost(byId("cost"), { button: byId("send"), team: byId("cost").querySelector("[data-cost=left]").textContent });
    this.leftOut = new LeftOut(byId("left-out"), { onforget: () => this.draft.forgetLeftOut().catch((error) => this.#failed(error)) });
    this.goes = new Goes(form);
    this.unnamed = new Unnamed(byId("unnamed"));
    this.sku = new SkuPattern(byId("sku"), {
      onuse: async (pattern) => {
        this.#show(await this.draft.setPattern(pattern));
        this.#loadSoon();
        say("The SKUs were read anew.");
      },
    });
    this.#listen();
  }

  #listen() {
    byId("find").addEventListener("input", ({ target }) => this.show({ text: target.value }));
    byId("remove-all").addEventListener("click", () => this.#act("remove", this.#rows()));
    byId("uploading").querySelector("button").addEventListener("click", () => this.uploads.goOn());
    byId("batch-name").addEventListener("input", () => (this.#isNamed = true));
    this.form.addEventListener("input", ({ target }) => {
      if (target.closest(".desk-choices") && target.name) this.#choicesChanged();
    });
    addEventListener("beforeunload", (event) => {
      if (this.uploads.unfinished && !this.#leavesUnasked) event.preventDefault();
    });
    // Another tab, or "back", may show a draft that has changed since.
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#loadSoon());
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      this.#isOrdering = this.#leavesUnasked = false;
      this.#loadSoon();
    });
  }

  async begin() {
    this.#choicesChanged();
    if (this.draft.id) await this.#loadNow();
  }

  // --- what comes in ---

  addFiles(files) {
    // The system lists a folder in any order; results, their numbers and which of two is the duplicate follow this one.
    const keys = new Map(files.map((one) => [one, sortKey(one.folder ?? "", one.file.name)]));
    const inOrder = files.toSorted((one, other) => (keys.get(one) < keys.get(other) ? -1 : Number(keys.get(one) > keys.get(other))));
    this.uploads.add(inOrder.map((one) => ({ ...one, ...this.limits.problemOf(one.file) })));
    say(`${plural(files.length, "file")} chosen. Uploading…`);
    this.#draw();
  }

  leaveOut(notes) {
    this.leftOut.add(notes);
    this.#draw();
  }

  /** Whether they were taken. */
  addAddresses(text) {
    return this.#adding(() => this.draft.addAddresses(text, newKey()));
  }

  addEarlier(upscale, what) {
    return this.#adding(() => this.draft.addEarlier(upscale, what));
  }

  async #adding(add) {
    try {
      const answer = await add();
      const before = this.#items.size;
      this.#took(answer);
      const more = this.#items.size - before;
      say(more ? `${plural(more, "picture")} added.` : "That is among the chosen pictures already.");
      if (!answer.items.length && answer.left_out.length) tell(`${answer.left_out[0].name} ${answer.left_out[0].message}`);
      else byId("chosen").scrollIntoView({ block: "nearest" });
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  /** The load that follows brings what was left out, and the quote. */
  #took({ items, reading }) {
    this.#changes += 1;
    for (const item of items) this.#items.set(item.id, rowOfItem(item));
    if (reading) this.#reading = reading;
    this.#quote = null;
    this.#drawSoon();
    this.#loadSoon();
    if (!this.#isBusy) say(sentence(countViews(this.#rows())));
  }

  // --- what the person does with it ---

  show(what) {
    this.list.show(what);
    this.#showTools();
    say(countWords(this.list.shown.length, this.#rows().length));
  }

  async #act(act, rows) {
    if (act === "remove" || act === "cancel") {
      await this.#remove(rows);
    } else if (act === "again") {
      for (const { key } of rows) this.uploads.again(key);
    } else {
      for (const row of rows) await this.#changeOne(row, CHANGES[act]);
    }
  }

  async #remove(rows) {
    const next = rows.length === 1 && byId("rows").contains(document.activeElement) ? this.list.next(rows[0]) : null;
    const before = new Map(this.#items);
    for (const { key, item } of rows) {
      if (key) this.uploads.cancel(key);
      if (!item) continue;
      this.#items.delete(item);
      this.#removed.add(item);
    }
    const ids = rows.map(({ item }) => item).filter(Boolean);
    this.#changes += 1;
    this.#quote = ids.length ? null : this.#quote;
    if (!this.list.shown.some((row) => !rows.includes(row))) this.list.show({ view: "all" });
    this.#draw();
    if (next) this.list.focus(next);
    else if (!this.#rows().length) byId("id_image")?.focus();
    say(`${plural(rows.length, "picture")} removed.`);
    if (!ids.length) return;
    try {
      await this.draft.remove(ids);
      this.#loadSoon();
    } catch (error) {
      ids.forEach((id) => this.#removed.delete(id));
      this.#items = before;
      this.#draw();
      this.#failed(error);
    }
  }

  async #changeOne(row, values) {
    try {
      const { items } = await this.draft.change(row.item, values);
      this.#took({ items });
    } catch (error) {
      this.#draw();
      this.#failed(error);
    }
  }

  async order() {
    if (!this.#rows().length) {
      tell(NO_SOURCE);
      return;
    }
    const quote = this.#quote;
    if (this.#isOrdering || !quote || byId("send").disabled) return;
    this.#isOrdering = true;
    this.#draw();
    try {
      const { url } = await this.draft.order({
        name: byId("batch-name").value.trim(),
        wants_email: byId("wants-email").checked,
        expected: quote.total,
        credits: quote.credits,
      });
      this.#leavesUnasked = true;
      location.assign(url);
      return;
    } catch (error) {
      this.#isOrdering = false;
      if (error instanceof Refused && error.body.items) this.#show(error.body);
      this.#failed(error);
      this.#loadSoon();
    }
    this.#draw();
  }

  // --- what the server says of it ---

  #choicesChanged() {
    const model = this.#model();
    this.goes.refresh();
    for (const settings of this.form.querySelectorAll("[data-settings-of]")) {
      const isOff = model?.value !== settings.dataset.settingsOf;
      for (const input of settings.querySelectorAll("input")) input.disabled = isOff;
    }
    for (const output of this.form.querySelectorAll("output")) {
      setText(output, Number(this.form.elements[output.htmlFor.value].value).toFixed(2));
    }
    this.#quote = null;
    this.#changes += 1;
    this.#draw();
    this.#loadSoon();
  }

  /** Whether more items come without anybody doing anything. */
  get #isBusy() {
    return this.uploads.unfinished > 0 || this.#reading.length > 0;
  }

  #model() {
    return this.form.querySelector("[name=model_name]:checked");
  }

  /** Everything anew, soon. While uploads come in, not after each: with thousands that is a lot to look through. */
  #loadSoon() {
    if (!this.draft.id) return;
    clearTimeout(this.#load.timer);
    const rest = this.#isBusy ? Math.max(1000, 3 * this.#items.size) - (Date.now() - this.#load.last) : 0;
    this.#load.timer = setTimeout(() => this.#loadNow(), Math.max(150, rest));
  }

  async #loadNow() {
    clearTimeout(this.#load.timer);
    this.#load.stop?.abort();
    this.#load.stop = new AbortController();
    this.#load.last = Date.now();
    const changes = this.#changes;
    try {
      const answer = await this.draft.load(this.#load.stop.signal);
      this.#show(answer, changes === this.#changes);
      untell("load");
      if (!this.uploads.pause?.signedOut) untell("signed-out");
    } catch (error) {
      if (error instanceof SignedOut) this.#paused({ message: error.message, signedOut: true });
      else if (error instanceof Refused) tell(error.message, { about: "load" });
      else if (error.message) this.#load.timer = setTimeout(() => this.#loadNow(), 5000);
    }
  }

  /** `isWhole` unless something has changed since it was asked for. */
  #show({ items, left_out: leftOut, reading, pattern, quote }, isWhole = true) {
    if (isWhole && items) this.#items.clear();
    for (const item of items ?? []) if (!this.#removed.has(item.id)) this.#items.set(item.id, rowOfItem(item));
    if (leftOut) this.leftOut.set(leftOut);
    if (reading) this.#reading = reading;
    if (pattern) this.sku.show(pattern);
    if (quote && isWhole) {
      this.#quote = quote;
      this.unnamed.show(quote.unnamed);
      if (quote.refusal) say(quote.refusal);
    }
    if (!isWhole || this.#reading.length) this.#loadSoon();
    this.#draw();
  }

  #failed(error) {
    if (error instanceof SignedOut) this.#paused({ message: error.message, signedOut: true });
    else if (error.message) tell(error.message);
  }

  #paused(pause) {
    if (pause?.signedOut) tell(pause.message, { about: "signed-out", act: SIGN_IN, quietly: document.activeElement === byId("problems") });
    else untell("signed-out");
    this.#showUploads();
  }

  // --- what is seen ---

  #rows() {
    const rows = [...this.#items.values()];
    for (const entry of this.uploads.entries.values()) rows.push(rowOfEntry(entry));
    return rows;
  }

  #drawSoon() {
    // At most five times a second, while thousands come in.
    this.#drawn ||= setTimeout(() => this.#draw(), 200);
  }

  #draw() {
    clearTimeout(this.#drawn);
    this.#drawn = 0;
    const rows = this.#rows();
    byId("chosen").hidden = !rows.length && !this.leftOut.count && !this.#reading.length;
    this.form.classList.toggle("has-pictures", rows.length > 0);
    this.counts = countViews(rows);
    // What was looked at is all dealt with.
    if (!this.counts[this.list.view]) {
      this.list.show({ view: "all" });
      // Its buttons go.
      if (byId("views-act").contains(document.activeElement)) byId("rows-frame").focus({ preventScroll: true });
    }
    this.list.set(rows);
    setText(byId("chosen-title"), plural(rows.length, "chosen picture"));
    byId("remove-all").hidden = !rows.length;
    byId("find-field").hidden = rows.length <= 12 && !this.list.text;
    byId("batch").hidden = rows.length < 2;
    byId("sku").hidden = !this.#items.size;
    if (!this.#isNamed) byId("batch-name").value = this.#nameOf(rows);
    this.#showTools();
    this.#showUploads();
    this.cost.show({ counts: this.counts, quote: this.#quote, price: this.#price(), isBusy: this.#isOrdering || this.#reading.length > 0 });
  }

  #price() {
    return Number(this.#model()?.dataset.credits ?? 0);
  }

  #showTools() {
    const { view, text, shown } = this.list;
    this.tools.show({ counts: this.counts, view, shown: shown.length, text, price: this.#price() });
    byId("no-rows").hidden = shown.length > 0 || !this.counts.all;
  }

  #showUploads() {
    const { unfinished, progress, pause } = this.uploads;
    this.tools.showUploads({ unfinished, progress, pause, reading: this.#reading });
  }

  /** Of the folder or the archive that most of them come from. */
  #nameOf(rows) {
    const counts = new Map();
    for (const { where } of rows) {
      const name = where.split(/[/·]/)[0].replace(/\.(zip|csv|tsv|xlsx)(, line \d+)?$/i, "").trim();
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const [[name, count] = ["", 0]] = [...counts].sort(([, one], [, other]) => other - one);
    return 2 * count > rows.length ? name : "";
  }
}
