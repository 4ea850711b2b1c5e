// The magnifier: the same place of both pictures under the pointer, pixel for pixel or twice as large.

import { Layer } from "./layer.js";

const STEPS = [0, 1, 2]; // screen pixels for one of the result's; 0 is off
const REST = 120; // milliseconds after which the pointer has come to rest, and tiles are asked for

export class Lens {
  constructor(box, sides, changed) {
    this.step = 0;
    this.changed = changed;
    this.glasses = Object.entries(sides).map(([name, side]) => {
      const glass = box.querySelector(`.compare-lens.${name}`);
      const sheet = document.createElement("div");
      sheet.className = "compare-sheet alpha";
      return { name, glass, sheet, side, layer: null };
    });
  }

  get isOn() {
    return this.step > 0;
  }

  get times() {
    return STEPS[this.step];
  }

  turn(step = (this.step + 1) % STEPS.length) {
    this.step = step;
    for (const one of this.glasses) {
      one.glass.hidden = !this.isOn;
      if (this.isOn && !one.layer) {
        const copy = one.side.base.cloneNode();
        copy.alt = "";
        one.sheet.append(copy);
        one.glass.querySelector(".compare-pane").append(one.sheet);
        one.layer = new Layer(one.sheet, one.side, this.changed);
      }
    }
  }

  /** Show `place` of the picture around `spots`, where each side's glass is to stand on the stage. */
  show(view, place, spots, isMoving) {
    if (!this.isOn) return;
    clearTimeout(this.resting);
    if (isMoving) this.resting = setTimeout(this.changed, REST);
    for (const { name, glass, layer } of this.glasses) {
      glass.style.translate = `${Math.round(spots[name].x)}px ${Math.round(spots[name].y)}px`;
      const pane = { width: glass.clientWidth, height: glass.clientHeight };
      const scale = this.times / devicePixelRatio;
      layer.draw({ width: view.width, height: view.height, scale, x: place.x, y: place.y }, pane, !isMoving);
    }
  }

  get size() {
    const { glass } = this.glasses[0];
    return { width: glass.offsetWidth, height: glass.offsetHeight };
  }
}
