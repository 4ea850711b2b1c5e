// One side's picture in one pane: a copy for the screen at first, and over it, where that is too coarse, tiles of the
// picture itself. Plain images and no canvas, so that the browser keeps each picture's colour profile.

const ENOUGH = 1.15; // how far a picture may be enlarged before the next finer one is taken
const TRIES = 3;
const AGAIN = 5000; // milliseconds

/** What is known of one side's picture; all panes that show it share this. */
export class Side {
  constructor(pane, frame) {
    this.frame = frame;
    this.width = Number(pane.dataset.ownWidth);
    this.base = pane.querySelector(".compare-base");
    this.url = pane.dataset.tiles;
    this.about = null;
    this.trouble = "";
    this.asked = false;
  }

  /** Ask for the tiles, once; `done` is called when they are known, or why not. */
  async ask(done) {
    if (this.asked || !this.url) return;
    this.asked = true;
    try {
      const answer = await fetch(this.url, { headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (answer.ok) this.about = told;
      else this.trouble = told.detail;
    } catch {
      this.trouble = "The full picture could not be loaded, so a smaller copy is shown. Load the page again.";
    }
    done();
  }
}

export class Layer {
  constructor(sheet, side, changed) {
    Object.assign(this, { sheet, side, changed, tiles: new Map(), failed: new Map() });
    this.base = sheet.querySelector("img");
    if (!this.base.complete) for (const end of ["load", "error"]) this.base.addEventListener(end, changed, { once: true });
  }

  /** `pane`: its width and height. Without `isSettled` no tiles are asked for: it is still moving. */
  draw(view, pane, isSettled = true) {
    const ratio = devicePixelRatio;
    // On whole pixels of the screen, or all of a picture at 100 % would be blurred.
    const snap = (value) => Math.round(value * ratio) / ratio;
    const place = {
      left: snap(pane.width / 2 - view.x * view.scale),
      top: snap(pane.height / 2 - view.y * view.scale),
      width: view.width * view.scale,
      height: view.height * view.scale,
    };
    this.sheet.style.width = `${place.width}px`;
    this.sheet.style.height = `${place.height}px`;
    this.sheet.style.translate = `${place.left}px ${place.top}px`;
    // Each pixel is shown as it is; the original is smoothed, as its pixels are larger anyway.
    this.sheet.classList.toggle("pixels", view.scale * ratio >= 2 && this.side.width >= view.width);
    const copy = this.base.naturalWidth;
    if (!this.base.complete || place.width * ratio <= copy * ENOUGH || this.side.width <= copy) this.#keep(() => false);
    else if (this.side.about) this.#lay(place, pane, snap, isSettled);
    else if (isSettled) this.side.ask(this.changed);
  }

  #lay(place, pane, snap, isSettled) {
    const { about } = this.side;
    const shown = (place.width * devicePixelRatio) / about.width;
    const halvings = Math.max(0, Math.min(about.levels - 1, Math.floor(-Math.log2(shown / ENOUGH))));
    const level = about.levels - 1 - halvings;
    const size = about.side * 2 ** halvings;
    const across = (size * place.width) / about.width;
    const down = (size * place.height) / about.height;
    const last = (start, length, room, step, own) =>
      Math.min(Math.ceil(own / size), Math.ceil(Math.min(length, room - start) / step)) - 1;
    const columns = [Math.floor(Math.max(0, -place.left) / across), last(place.left, place.width, pane.width, across, about.width)];
    const rows = [Math.floor(Math.max(0, -place.top) / down), last(place.top, place.height, pane.height, down, about.height)];
    const wanted = new Set();
    for (let row = rows[0]; row <= rows[1]; row += 1) {
      for (let column = columns[0]; column <= columns[1]; column += 1) {
        const key = `${level}/${column}/${row}`;
        wanted.add(key);
        const tile = this.tiles.get(key) ?? (isSettled ? this.#load(key) : null);
        if (!tile) continue;
        const left = snap(column * across);
        const top = snap(row * down);
        // An edge tile is smaller than the others: how much is known once it is there.
        const share = (natural) => (natural ? natural / about.side : 1);
        tile.style.left = `${left}px`;
        tile.style.top = `${top}px`;
        tile.style.width = `${snap(column * across + across * share(tile.naturalWidth)) - left}px`;
        tile.style.height = `${snap(row * down + down * share(tile.naturalHeight)) - top}px`;
      }
    }
    const isWhole = [...wanted].every((key) => this.tiles.get(key)?.classList.contains("there"));
    // Coarser and finer ones stay until what takes their place is there.
    if (isWhole || !isSettled) this.#keep((key) => wanted.has(key) || !isWhole);
    // Seen through a picture's soft edges, its copy would make them harder.
    this.sheet.classList.toggle("covered", isWhole && about.transparent);
  }

  #load(key) {
    if ((this.failed.get(key) ?? 0) >= TRIES) return null;
    const tile = new Image();
    Object.assign(tile, { className: "compare-tile", alt: "", decoding: "async", draggable: false });
    tile.addEventListener("load", () => {
      tile.classList.add("there");
      this.changed();
    });
    tile.addEventListener("error", () => {
      tile.remove();
      this.tiles.delete(key);
      this.failed.set(key, (this.failed.get(key) ?? 0) + 1);
      setTimeout(this.changed, AGAIN);
    });
    tile.src = this.side.about.url + key + "/";
    this.tiles.set(key, tile);
    this.sheet.append(tile);
    return tile;
  }

  #keep(isKept) {
    for (const [key, tile] of this.tiles) {
      if (isKept(key)) continue;
      tile.remove();
      this.tiles.delete(key);
    }
    if (!this.tiles.size) this.sheet.classList.remove("covered");
  }
}
