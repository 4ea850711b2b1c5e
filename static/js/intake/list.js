// The list of chosen pictures: tiles for a few, dense rows for many. Of many only those in sight are in the page, and
// one row at a time is reached with the Tab key; the arrows move on from it.

import { byName, byUrgency, paint, placeIn } from "./rows.js";
import { VIEWS } from "./states.js";

const MOST_TILES = 12;
const ROOM = 600; // pixels kept ready above and below what is seen

export class List {
  #rows = [];
  #shown = [];
  #heights = new Map(); // of rows that were seen
  #tops = [0]; // where each shown row begins, and the last one ends
  #usual = 64;
  #width = 0;
  #elements = new Map();
  #active = null; // the row that the Tab key reaches
  #frame = 0;

  /** `onact(act, row)` for a row's buttons, `onsku(row, sku)` for its field. */
  constructor({ frame, list, template, onact, onsku }) {
    Object.assign(this, { frame, list, template, onact, onsku, view: "all", text: "" });
    frame.addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(frame);
    list.addEventListener("click", ({ target }) => {
      const act = target.closest("button")?.dataset.part;
      if (act) this.onact(act, this.#rowOf(target));
    });
    list.addEventListener("change", ({ target }) => this.onsku(this.#rowOf(target), target.value.trim()));
    list.addEventListener("focusin", ({ target }) => this.#activate(target.closest("li").dataset.row));
    frame.addEventListener("keydown", (event) => this.#key(event));
  }

  get isDense() {
    return this.list.classList.contains("dense");
  }

  get shown() {
    return this.#shown;
  }

  set(rows) {
    const dense = rows.length > MOST_TILES;
    if (dense !== this.isDense) this.#heights.clear();
    for (const element of [this.frame, this.list]) element.classList.toggle("dense", dense);
    this.#rows = rows.sort(dense ? byUrgency : byName);
    this.#apply();
  }

  /** Show those of a view whose name, folder or SKU has the text. */
  show({ view = this.view, text = this.text }) {
    this.view = view;
    this.text = text.trim().toLowerCase();
    this.frame.scrollTop = 0;
    this.#apply();
  }

  /** One row is a little different, in a way that moves no other. */
  patch(row) {
    const element = this.#elements.get(row.row);
    if (element) paint(element, row);
  }

  focus(row) {
    const index = this.#shown.findIndex((one) => one.row === row);
    if (index >= 0) this.#goTo(index, "remove");
  }

  /** The row that takes the place of one that goes. */
  next(row) {
    const index = this.#shown.findIndex((one) => one.row === row.row);
    return (this.#shown[index + 1] ?? this.#shown[index - 1])?.row;
  }

  #apply() {
    const states = new Set(VIEWS[this.view][1]);
    this.#shown = this.#rows.filter(
      ({ state, hay }) => (this.view === "all" || states.has(state)) && (!this.text || hay.includes(this.text)),
    );
    this.#measure();
    this.#draw();
  }

  #measure() {
    this.#tops = new Array(this.#shown.length + 1);
    this.#tops[0] = 0;
    this.#shown.forEach(({ row }, index) => {
      this.#tops[index + 1] = this.#tops[index] + (this.#heights.get(row) ?? this.#usual);
    });
  }

  #resized() {
    if (this.frame.clientWidth !== this.#width) {
      this.#width = this.frame.clientWidth;
      this.#heights.clear();
      this.#measure();
    }
    this.#drawSoon();
  }

  #drawSoon() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** The first shown row that ends below `y`. */
  #at(y) {
    let [low, high] = [0, this.#shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle + 1] > y) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const count = this.#shown.length;
    let [first, end] = [0, count];
    if (this.isDense) {
      const { scrollTop, clientHeight } = this.frame;
      first = this.#at(scrollTop - ROOM);
      end = Math.min(count, this.#at(scrollTop + (clientHeight || 600) + ROOM) + 1);
    }
    if (!this.#shown.some(({ row }) => row === this.#active)) this.#active = this.#shown[0]?.row ?? null;

    const wanted = new Set();
    for (let index = first; index < end; index += 1) wanted.add(this.#shown[index].row);
    for (const [row, element] of this.#elements) {
      if (wanted.has(row)) continue;
      // Focus must not fall out of the page with its row: the frame takes it, and the arrows go on from there.
      if (element.contains(document.activeElement)) this.frame.focus({ preventScroll: true });
      element.remove();
      this.#elements.delete(row);
    }
    let before = null;
    for (let index = first; index < end; index += 1) {
      const row = this.#shown[index];
      let element = this.#elements.get(row.row);
      if (!element) {
        element = this.template.content.firstElementChild.cloneNode(true);
        this.#elements.set(row.row, element);
      }
      paint(element, row);
      placeIn(element, index, count);
      this.#tab(element, !this.isDense || row.row === this.#active);
      const place = before ? before.nextElementSibling : this.list.firstElementChild;
      if (place !== element) this.list.insertBefore(element, place);
      before = element;
    }
    this.#space(first, end);
  }

  /** Room for those that are not in the page; and how high those are that are. */
  #space(first, end) {
    if (!this.isDense) {
      this.list.style.paddingBlock = "";
      return;
    }
    let isNew = false;
    for (const [row, element] of this.#elements) {
      const height = element.offsetHeight;
      if (height && this.#heights.get(row) !== height) {
        this.#heights.set(row, height);
        isNew = true;
      }
    }
    if (isNew) this.#measure();
    const all = this.#tops[this.#shown.length];
    this.list.style.paddingBlock = `${this.#tops[first] ?? 0}px ${Math.max(0, all - (this.#tops[end] ?? all))}px`;
  }

  #rowOf(target) {
    const { row } = target.closest("li").dataset;
    return this.#shown.find((one) => one.row === row);
  }

  #tab(element, isReached) {
    for (const control of element.querySelectorAll("a, button, input")) control.tabIndex = isReached ? 0 : -1;
  }

  #activate(row) {
    if (row === this.#active) return;
    const old = this.#elements.get(this.#active);
    if (old && this.isDense) this.#tab(old, false);
    this.#active = row;
    this.#tab(this.#elements.get(row), true);
  }

  #goTo(index, part) {
    const { row } = this.#shown[index];
    if (this.isDense) {
      const [top, bottom] = [this.#tops[index], this.#tops[index + 1]];
      const { scrollTop, clientHeight } = this.frame;
      if (top < scrollTop) this.frame.scrollTop = top;
      else if (bottom > scrollTop + clientHeight) this.frame.scrollTop = bottom - clientHeight;
      this.#draw();
    }
    this.#activate(row);
    const element = this.#elements.get(row);
    const wanted = element.querySelector(`[data-part="${part}"]`);
    const isThere = wanted && !wanted.closest("[hidden]");
    (isThere ? wanted : element.querySelector('[data-part="remove"]')).focus({ preventScroll: !this.isDense });
    if (wanted?.select && isThere) wanted.select();
  }

  #key(event) {
    const { target, key } = event;
    const part = target.dataset.part;
    if (key === "Enter" && part === "sku") event.preventDefault(); // it would send the form
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const isText = part === "sku";
    const at = this.#shown.findIndex(({ row }) => row === this.#active);
    const page = Math.max(1, Math.floor(this.frame.clientHeight / this.#usual) - 1);
    const last = this.#shown.length - 1;
    const to = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: Math.min(last, at + page),
      PageUp: Math.max(0, at - page),
      ...(isText ? { Enter: at + 1 } : { Home: 0, End: last }),
    }[key];
    if (to !== undefined && (this.isDense || isText)) {
      event.preventDefault();
      if (to >= 0 && to <= last) this.#goTo(to, part ?? "remove");
      else if (isText) target.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (key === "Delete" && !isText && at >= 0 && target !== this.frame) {
      event.preventDefault();
      this.onact("remove", this.#shown[at]);
    }
  }
}
