// Which part of the picture is looked at, and how large. One view is shared by all panes, so that both sides move
// together. Lengths are CSS pixels on the screen and pixels of the result on the picture.

const MOST = 8; // screen pixels for one of the result's
const within = (value, least, most) => Math.max(least, Math.min(most, value));

export class View {
  /** `width`, `height`: the result's; the original is laid into the same frame. */
  constructor(width, height) {
    Object.assign(this, { width, height, scale: 1, x: width / 2, y: height / 2, isFit: true });
  }

  fitScale(pane) {
    return Math.min(pane.width / this.width, pane.height / this.height);
  }

  fit(pane) {
    Object.assign(this, { scale: this.fitScale(pane), x: this.width / 2, y: this.height / 2, isFit: true });
  }

  /** So many screen pixels for one of the result's. What lies at `at`, from the pane's middle, stays there. */
  zoomTo(scale, at) {
    const place = this.placeAt(at);
    this.scale = scale;
    this.isFit = false;
    this.#look(within(place.x, 0, this.width) - at.dx / scale, within(place.y, 0, this.height) - at.dy / scale);
  }

  zoomBy(factor, at, pane) {
    const scale = Math.min(this.scale * factor, Math.max(this.fitScale(pane), MOST / devicePixelRatio));
    if (factor < 1 && scale <= this.fitScale(pane)) this.fit(pane);
    else if (scale !== this.scale) this.zoomTo(scale, at);
  }

  panBy(across, down) {
    if (!this.isFit) this.#look(this.x - across / this.scale, this.y - down / this.scale);
  }

  /** Which pixel of the result lies at `at`. */
  placeAt({ dx, dy }) {
    return { x: this.x + dx / this.scale, y: this.y + dy / this.scale };
  }

  #look(x, y) {
    this.x = within(x, 0, this.width);
    this.y = within(y, 0, this.height);
  }
}
