// Before and after: under a line that a real range input moves, side by side, or one after the other. Both sides are
// always on the page and always look at the same place; how they lie is the style sheet's matter.

import { listen } from "./gestures.js";
import { keys } from "./keys.js";
import { Layer, Side } from "./layer.js";
import { Lens } from "./lens.js";
import { View } from "./view.js";

const STEP = 2; // per cent for an arrow key
const ARROWS = { ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP };
const TAG_ROOM = 40; // pixels that the two words need beside their own widths
const HANDLE = 22; // pixels beside the line that belong to it
const BLINK = 800; // milliseconds that flicker shows each side: well below three flashes a second
const MODES = ["slider", "sides", "flicker"];
const calm = matchMedia("(prefers-reduced-motion: reduce)");

class Comparison {
  constructor(box) {
    this.box = box;
    this.stage = box.querySelector(".compare-view");
    this.range = box.querySelector(".compare-range");
    this.tags = [...box.querySelectorAll(".compare-tag")];
    this.tools = box.querySelector(".compare-tools");
    this.said = box.querySelector("[data-said]");
    this.playButton = box.querySelector("[data-play]");
    const frame = { width: Number(box.dataset.width), height: Number(box.dataset.height) };
    this.view = new View(frame.width, frame.height);
    this.redraw = () => {
      this.pending ??= requestAnimationFrame(() => {
        this.pending = null;
        this.draw();
      });
    };
    this.panes = {};
    this.sides = {};
    this.layers = {};
    for (const name of ["before", "after"]) {
      const pane = box.querySelector(`.compare-pane.${name}`);
      this.panes[name] = pane;
      this.sides[name] = new Side(pane, frame);
      this.layers[name] = new Layer(pane.querySelector(".compare-sheet"), this.sides[name], this.redraw);
    }
    this.lens = new Lens(box, this.sides, this.redraw);
    this.mode = MODES.find((mode) => location.hash === `#${mode}`) ?? "slider";
    this.flips = 0;
  }

  start() {
    const { box, stage, range, tools, view } = this;
    box.style.setProperty("--ratio", String(view.width / view.height));
    box.classList.add("live");
    range.hidden = tools.hidden = false;
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", "The pictures; arrow keys move them when enlarged");
    range.addEventListener("input", () => this.draw());
    range.addEventListener("keydown", (event) => {
      if (!(event.key in ARROWS) || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      range.value = Number(range.value) + ARROWS[event.key];
      this.draw();
    });
    tools.addEventListener("click", ({ target }) => this.#press(target.closest("button")));
    new ResizeObserver(() => this.draw()).observe(stage);
    listen(stage, this);
    keys(this);
    this.show(this.mode);
  }

  // --- What is shown ---

  get pane() {
    const { clientWidth: width, clientHeight: height } = this.panes.after;
    return { width, height };
  }

  draw() {
    const { pane, view, box } = this;
    if (!pane.width || !pane.height) return;
    if (view.isFit) view.fit(pane);
    for (const layer of Object.values(this.layers)) layer.draw(view, pane);
    box.classList.toggle("zoomed", !view.isFit);
    this.#drawLine(pane);
    this.#drawLens(false);
    const times = view.scale * devicePixelRatio;
    for (const button of this.tools.querySelectorAll("[data-zoom]")) {
      const { zoom } = button.dataset;
      const isOn = zoom === "fit" ? view.isFit : !view.isFit && Math.abs(times / Number(zoom) - 1) < 0.005;
      button.setAttribute("aria-pressed", String(isOn));
    }
    this.#say();
  }

  #drawLine(pane) {
    const share = Number(this.range.value) / 100;
    // The line runs over what is seen of the picture alone, not over the grey beside it.
    const start = pane.width / 2 - this.view.x * this.view.scale;
    const left = Math.max(0, start);
    const span = Math.max(0, Math.min(pane.width, start + this.view.width * this.view.scale) - left);
    this.lineAt = left + share * span;
    this.lineRoom = { left, span };
    for (const [name, value] of Object.entries({ left, span, split: this.lineAt })) {
      this.box.style.setProperty(`--${name}`, `${value}px`);
    }
    // Where a picture has no room for both words, they stand on the grey, each on its own side.
    const words = this.tags.reduce((sum, tag) => sum + tag.offsetWidth, 0);
    this.box.classList.toggle("slim", this.mode === "slider" && span < TAG_ROOM + words);
    this.range.setAttribute("aria-valuetext", `${Math.round(100 * share)} % before, ${Math.round(100 - 100 * share)} % after`);
  }

  #drawLens(isMoving) {
    if (!this.lens.isOn) return;
    const { pane, view } = this;
    const at = this.pointer ?? { dx: 0, dy: 0 };
    const { width, height } = this.lens.size;
    const within = (value, most) => Math.max(0, Math.min(most - height, value));
    const x = pane.width / 2 + at.dx;
    const y = within(pane.height / 2 + at.dy - height / 2, pane.height);
    let spots;
    if (this.mode === "sides") {
      const stage = this.stage.getBoundingClientRect();
      const spot = (name) => {
        const own = this.panes[name].getBoundingClientRect();
        return { x: own.left - stage.left + x - width / 2, y: own.top - stage.top + y };
      };
      spots = { before: spot("before"), after: spot("after") };
    } else {
      const middle = Math.max(width, Math.min(pane.width - width, x));
      spots = { before: { x: middle - width, y }, after: { x: middle, y } };
    }
    this.lens.show(view, view.placeAt(at), spots, isMoving);
  }

  #say() {
    const trouble = Object.values(this.sides).find((side) => side.trouble)?.trouble;
    const hint = this.lens.isOn
      ? `Magnifier at ${100 * this.lens.times} %: one place of both pictures. Move over them, or use the arrow keys.`
      : !this.view.isFit
        ? `Drag to move both pictures${this.mode === "slider" ? ", the line to compare" : ""}. Click for the whole.`
        : this.mode === "slider"
          ? "Drag the line to compare; click the picture to see that place at 100 %."
          : this.mode === "sides"
            ? "Click a place to see it at 100 % on both sides."
            : "The same place, before and after in turn. Click it to see it at 100 %.";
    const text = trouble ?? hint;
    if (this.said.textContent !== text) this.said.textContent = text;
  }

  // --- What people do ---

  #press(button) {
    if (!button) return;
    const { mode, zoom } = button.dataset;
    if (mode) this.show(mode);
    else if (zoom) this.zoom(zoom === "fit" ? "fit" : Number(zoom));
    else if (button.matches("[data-lens]")) this.turnLens();
    else if (button.matches("[data-play]")) this.play(!this.timer);
    else if (button.matches("[data-heat-map]")) this.heat();
  }

  show(mode) {
    this.mode = mode;
    this.box.dataset.mode = mode;
    for (const button of this.tools.querySelectorAll("[data-mode]")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    this.range.hidden = mode !== "slider";
    this.playButton.hidden = mode !== "flicker";
    this.play(mode === "flicker" && !calm.matches);
    // The address says how, so that the next picture is compared the same way.
    const hash = mode === "slider" ? "" : `#${mode}`;
    if (location.hash !== hash && (hash || MODES.includes(location.hash.slice(1)))) {
      history.replaceState(history.state, "", location.pathname + location.search + hash);
    }
    for (const link of document.querySelectorAll("#trail [rel], [data-whole]")) link.hash = hash;
    this.draw();
  }

  play(isOn) {
    clearInterval(this.timer);
    this.timer = isOn ? setInterval(() => (this.box.isConnected ? this.flip() : this.play(false)), BLINK) : null;
    this.playButton.textContent = isOn ? "Stop" : "Go on";
    this.#turn(isOn ? this.flips : 0);
  }

  /** Flicker: the other side. */
  flip() {
    this.#turn(this.flips + 1);
  }

  #turn(flips) {
    this.flips = flips;
    this.box.classList.toggle("shows-before", flips % 2 === 1);
  }

  /** "fit", or so many screen pixels for one of the result's; around `at`, else around the line or the middle. */
  zoom(times, at) {
    const { pane, view } = this;
    if (times === "fit") view.fit(pane);
    else {
      const middle = { dx: this.mode === "slider" && view.isFit ? this.lineAt - pane.width / 2 : 0, dy: 0 };
      view.zoomTo(times / devicePixelRatio, at ?? middle);
    }
    this.draw();
  }

  turnLens(step) {
    this.lens.turn(step);
    const button = this.tools.querySelector("[data-lens]");
    button.setAttribute("aria-pressed", String(this.lens.isOn));
    button.querySelector("[data-lens-at]").textContent = this.lens.isOn ? ` ${100 * this.lens.times} %` : "";
    this.box.classList.toggle("magnifies", this.lens.isOn);
    this.draw();
  }

  /** Colours over both pictures where they differ, if the page knows of any. */
  heat() {
    const { heat } = this.box.dataset;
    if (!heat) return;
    const isOn = this.box.classList.toggle("heats");
    this.tools.querySelector("[data-heat-map]").setAttribute("aria-pressed", String(isOn));
    for (const { sheet } of Object.values(this.layers)) {
      if (sheet.querySelector(".compare-heat")) continue;
      sheet.append(Object.assign(new Image(), { className: "compare-heat", src: heat, alt: "" }));
    }
  }

  /** An arrow key on the pictures. False where it has nothing to move. */
  nudge(across, down) {
    if (this.lens.isOn) {
      const { pane } = this;
      const at = this.pointer ?? { dx: 0, dy: 0 };
      const most = (value, room) => Math.max(-room / 2, Math.min(room / 2, value));
      this.pointer = { dx: most(at.dx + across / 4, pane.width), dy: most(at.dy + down / 4, pane.height) };
    } else if (!this.view.isFit) this.view.panBy(-across, -down);
    else return false;
    this.draw();
    return true;
  }

  // --- What gestures mean: see gestures.js ---

  #at({ x, y }) {
    const own = Object.values(this.panes).map((pane) => pane.getBoundingClientRect());
    const pane = own.find((one) => x >= one.left && x <= one.right && y >= one.top && y <= one.bottom) ?? own[1];
    return { dx: x - pane.left - pane.width / 2, dy: y - pane.top - pane.height / 2 };
  }

  grab(event) {
    const isOnLine = Math.abs(event.clientX - this.stage.getBoundingClientRect().left - this.lineAt) <= HANDLE;
    const moves = this.mode === "slider" && (this.view.isFit || isOnLine) ? "line" : "picture";
    this.box.classList.toggle("held", moves === "picture");
    return moves;
  }

  release() {
    this.box.classList.remove("held");
  }

  line({ clientX }) {
    const { left, span } = this.lineRoom;
    this.range.value = (100 * (clientX - this.stage.getBoundingClientRect().left - left)) / Math.max(1, span);
    this.redraw();
  }

  pan(across, down) {
    this.view.panBy(across, down);
    this.redraw();
  }

  tap({ clientX, clientY, pointerType }) {
    const at = this.#at({ x: clientX, y: clientY });
    if (this.lens.isOn && pointerType === "touch") {
      this.pointer = at;
      this.draw();
    } else {
      this.zoom(this.view.isFit ? 1 : "fit", at);
      this.stage.focus({ preventScroll: true });
    }
  }

  hover(event) {
    if (!event) return;
    this.pointer = this.#at({ x: event.clientX, y: event.clientY });
    this.#drawLens(true);
  }

  /** At "Fit" the wheel is the page's, unless the pictures have the window for themselves. */
  takesWheel({ ctrlKey, metaKey }) {
    return ctrlKey || metaKey || !this.view.isFit || this.box.classList.contains("whole");
  }

  zoomBy(factor, place) {
    const { pane } = this;
    this.view.zoomBy(factor, place ? this.#at(place) : { dx: 0, dy: 0 }, pane);
    this.redraw();
  }
}

function begin(box) {
  if (!box.classList.contains("live")) new Comparison(box).start();
}

const all = () => document.querySelectorAll("[data-compare]").forEach(begin);
document.addEventListener("htmx:load", all); // the picture may become ready while the page is open
all();
