// The list of chosen files. A file input forgets its files when more are chosen, so the list is kept here and
// written back to the input: whatever sends the form, with or without htmx, sends exactly what is shown.

const readable = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

export function fileSize(bytes) {
  if (bytes < 1e5) return `${Math.max(1, Math.round(bytes / 1e3))} KB`;
  return `${readable.format(bytes / 1e6)} MB`;
}

export function pixels(width, height) {
  return `${width} × ${height}`;
}

/** What is wrong with a picture, in plain words; "" when nothing is. */
function wrong(item, { accept, maxBytes, maxMb, maxSourceMegapixels, maxResultMegapixels, formats }, factor) {
  const { file, width, height } = item;
  if (file.size === 0) return "This file is empty.";
  if (file.type && !accept.includes(file.type)) return `The desk can’t read this kind of file. It reads ${formats}.`;
  if (file.size > maxBytes) return `Too large: ${fileSize(file.size)}. The most is ${maxMb} MB.`;
  if (!width) return "";
  const megapixels = (width * height) / 1e6;
  if (maxSourceMegapixels && megapixels > maxSourceMegapixels) {
    return `Too large: ${readable.format(megapixels)} megapixels. The most is ${maxSourceMegapixels}.`;
  }
  if (maxResultMegapixels && megapixels * factor * factor > maxResultMegapixels) {
    return `Too large to enlarge ${factor} times: the result may have ${maxResultMegapixels} megapixels at most.`;
  }
  return "";
}

export class ChosenFiles {
  static #count = 0;

  constructor({ input, list, limits, iconHref, onchange }) {
    Object.assign(this, { input, list, limits, iconHref, onchange });
    this.items = [];
    this.factor = 4;
    this.pasted = 0;
    input.addEventListener("change", () => this.add([...input.files]));
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button) this.remove(button.closest("li"));
    });
    // After "back" the browser may have kept the input's files.
    if (input.files.length) this.add([...input.files]);
  }

  get good() {
    return this.items.filter((item) => !item.problem);
  }

  add(files, { pasted = false } = {}) {
    for (let file of files) {
      if (pasted) {
        const ending = file.name.split(".").pop();
        file = new File([file], `Pasted picture ${++this.pasted}.${ending}`, { type: file.type });
      }
      const twice = this.items.some(
        ({ file: { name, size, lastModified } }) =>
          name === file.name && size === file.size && lastModified === file.lastModified,
      );
      if (!twice) this.items.push(this.#show(file));
    }
    this.refresh();
  }

  remove(row) {
    const index = this.items.findIndex((item) => item.row === row);
    const [item] = this.items.splice(index, 1);
    URL.revokeObjectURL(item.link);
    item.row.remove();
    this.refresh();
    // Keep the keyboard where it was working.
    const next = this.items[Math.min(index, this.items.length - 1)];
    (next ? next.row.querySelector("button") : this.input).focus();
  }

  /** The server took these. */
  sent(ids) {
    for (const id of ids) {
      const index = this.items.findIndex((item) => item.id.value === id);
      if (index < 0) continue;
      const [item] = this.items.splice(index, 1);
      URL.revokeObjectURL(item.link);
      item.row.remove();
    }
    this.refresh();
  }

  clear() {
    this.items.forEach((item) => URL.revokeObjectURL(item.link));
    this.items = [];
    this.list.replaceChildren();
    this.refresh();
  }

  /** Check every file again, and write the good ones back to the input. */
  refresh() {
    let count = 0;
    for (const item of this.items) {
      item.problem = wrong(item, this.limits, this.factor);
      if (!item.problem && ++count > this.limits.maxFiles) {
        item.problem = `One too many: ${this.limits.maxFiles} pictures can be sent at a time.`;
      }
      item.id.disabled = Boolean(item.problem);
      item.row.classList.toggle("wrong", Boolean(item.problem));
      item.problemText.textContent = item.problem;
      item.becomes.textContent =
        item.width && !item.problem ? `→ ${pixels(item.width * this.factor, item.height * this.factor)}` : "";
    }
    const transfer = new DataTransfer();
    this.good.forEach((item) => transfer.items.add(item.file));
    this.input.files = transfer.files;
    this.list.hidden = this.items.length === 0;
    this.onchange();
  }

  #show(file) {
    const row = document.createElement("li");
    row.className = "file";
    const mat = row.appendChild(document.createElement("div"));
    mat.className = "mat";
    const name = row.appendChild(document.createElement("p"));
    name.className = "name";
    name.textContent = name.title = file.name;
    const size = row.appendChild(document.createElement("p"));
    size.className = "file-size";
    size.textContent = fileSize(file.size);
    const becomes = row.appendChild(document.createElement("p"));
    becomes.className = "becomes";
    const problemText = row.appendChild(document.createElement("p"));
    problemText.className = "file-problem";
    const remove = row.appendChild(document.createElement("button"));
    remove.type = "button";
    remove.className = "file-remove";
    remove.setAttribute("aria-label", `Remove ${file.name}`);
    remove.innerHTML = `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><use href="${this.iconHref}#close"></use></svg>`;

    // Names don't tell files apart: two folders may each have a front.jpg. In the order of the files themselves.
    const id = row.appendChild(document.createElement("input"));
    id.type = "hidden";
    id.name = "file_id";
    id.value = `f${ChosenFiles.#count++}`;

    const item = { id, file, row, becomes, problemText, problem: "", link: URL.createObjectURL(file), width: 0, height: 0 };
    const picture = new Image();
    picture.alt = "";
    picture.className = "alpha";
    picture.onload = () => {
      item.width = picture.naturalWidth;
      item.height = picture.naturalHeight;
      size.textContent = `${pixels(item.width, item.height)}, ${fileSize(file.size)}`;
      this.refresh();
    };
    picture.onerror = () => {
      // TIFF, mostly: the desk reads it, the browser doesn't.
      const kind = document.createElement("span");
      kind.className = "file-type";
      kind.textContent = file.name.split(".").pop().slice(0, 5).toUpperCase();
      picture.replaceWith(kind);
    };
    picture.src = item.link;
    mat.append(picture);
    this.list.append(row);
    return item;
  }
}
