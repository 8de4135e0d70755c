// One method: its picture, its thumbnails, its sliders, its files.

import { Lane, call } from "./api.js";
import { strengthText } from "./numbers.js";
import { Sliders } from "./sliders.js";

const SLOW = 300;
const PIXEL_ART = 64;

// Draw a strip of pictures, one below another, on as many canvases.
async function drawStrip(blob, canvases) {
  const strip = await createImageBitmap(blob);
  const height = strip.height / canvases.length;
  canvases.forEach((canvas, index) => {
    if (canvas.width !== strip.width) canvas.width = strip.width;
    if (canvas.height !== height) canvas.height = height;
    canvas.getContext("2d").drawImage(strip, 0, -index * height);
  });
  strip.close();
}

export class Pane {
  // `shared()` gives what all panes show alike; `events` are told of changes, of messages and of failures.
  constructor(method, session, shared, events) {
    this.method = method;
    this.session = session;
    this.shared = shared;
    this.events = events;
    this.edits = new Map();
    this.before = null;
    this.walked = 0;
    this.drawn = "";
    this.lanes = {};
    for (const name of ["picture", "thumbnails", "still", "film", "directions"]) this.lanes[name] = new Lane(name, method.name);
    this.sliders = new Sliders({
      moved: (index, value) => this.set(index, value),
      walked: (index) => this.walk(index),
      named: (index, text) => this.rename(index, text),
      reset: () => this.reset(),
    });
    this.makeStage();
  }

  makeStage() {
    this.stage = document.getElementById("stage-template").content.firstElementChild.cloneNode(true);
    const find = (selector) => this.stage.querySelector(selector);
    this.pictures = find(".pictures");
    this.strip = find(".strip");
    this.walkedText = find(".walked");
    const { width, height } = this.session.network;
    this.stage.style.setProperty("--aspect", width / height);
    this.stage.classList.toggle("crisp", Math.max(width, height) <= PIXEL_ART);
    this.strip.setAttribute("aria-label", "The direction from −2 to +2");
    this.thumbs = this.session.thumbnails.map((strength) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "thumb" });
      const canvas = document.createElement("canvas");
      button.append(canvas, Object.assign(document.createElement("span"), { textContent: strengthText(strength) }));
      button.addEventListener("click", () => this.set(this.walked, strength));
      return { button, canvas, strength };
    });
    find(".thumbs").append(...this.thumbs.map((thumb) => thumb.button));
    find(".again").addEventListener("click", () => this.draw());
    find(".save-png").addEventListener("click", () => this.save("png"));
    find(".save-gif").addEventListener("click", () => this.save("gif"));
    find(".show-command").addEventListener("click", () => this.events.command(this));
  }

  // Take over what the server says of the method: its directions, once they are computed, and their labels.
  describe(method) {
    this.method = method;
    this.stage.querySelector(".title").textContent = method.title;
    const noun = method.directions.length === 1 ? "direction" : "directions";
    this.stage.querySelector(".facts").textContent = method.ready ? `${method.directions.length} ${noun} in ${method.space}` : "computing…";
    if (method.ready) this.sliders.describe(method, this.edits);
    this.showWalked();
  }

  // Compute the directions where the server has not yet, and draw.
  async show(besideOthers) {
    this.sliders.setHeading(besideOthers ? this.method.title : "Directions");
    if (!this.method.ready) {
      this.stage.classList.add("busy");
      try {
        const answer = await this.lanes.directions.ask({ method: this.method.name });
        if (answer) this.describe(JSON.parse(await answer.text()));
      } catch (error) {
        this.events.failed(error);
      } finally {
        this.stage.classList.remove("busy");
      }
    }
    this.draw();
  }

  showWalked() {
    this.sliders.showWalked(this.walked);
    const direction = this.method.directions[this.walked];
    if (!direction) return;
    this.walkedText.textContent = direction.label ? `dim ${this.walked} · ${direction.label}` : `dim ${this.walked}`;
    const value = this.edits.get(this.walked) ?? 0;
    for (const { button, strength } of this.thumbs) {
      button.setAttribute("aria-label", `${this.walkedText.textContent} at ${strengthText(strength)}`);
      button.setAttribute("aria-pressed", String(value === strength));
    }
  }

  set(index, value) {
    const rounded = Math.round(value * 100) / 100;
    if (rounded === 0) this.edits.delete(index);
    else this.edits.set(index, rounded);
    this.walked = index;
    this.edited();
  }

  reset() {
    if (this.edits.size === 0) return;
    this.before = new Map(this.edits);
    this.edits.clear();
    this.edited();
    this.events.say("All back to 0; z brings them back");
  }

  undoReset() {
    if (!this.before) return;
    this.edits = this.before;
    this.before = null;
    this.edited();
  }

  edited() {
    this.sliders.showValues(this.edits);
    this.showWalked();
    this.draw();
    this.events.changed();
  }

  walk(index) {
    if (this.walked === index) return;
    this.walked = index;
    this.showWalked();
    this.drawThumbs();
    this.events.changed();
  }

  async rename(index, text) {
    try {
      const answer = await call("label", { method: this.method.name, dimension: index, label: text });
      this.describe(await answer.json());
      this.events.say(text ? `dim ${index} is now “${text}”` : `dim ${index} has no name now`);
    } catch (error) {
      this.events.failed(error);
    }
  }

  // The whole state of the picture, which every request carries.
  view() {
    const { seeds, psi, layers, class: classIndex } = this.shared();
    const edits = [...this.edits];
    return { method: this.method.name, seeds, class: classIndex, psi, layers: this.method.layered ? null : layers, edits };
  }

  canvases(seeds) {
    const present = [...this.pictures.children];
    if (present.length !== seeds.length) {
      const columns = Math.ceil(Math.sqrt(seeds.length));
      this.pictures.replaceChildren(...seeds.map((_, index) => present[index] ?? document.createElement("canvas")));
      this.pictures.style.setProperty("--columns", columns);
      this.pictures.style.setProperty("--rows", Math.ceil(seeds.length / columns));
    }
    const changed = [...this.edits].map(([index, value]) => `, dim ${index} ${strengthText(value)}`).join("");
    return [...this.pictures.children].map((canvas, index) => {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Seed ${seeds[index]}${changed}`);
      return canvas;
    });
  }

  draw() {
    this.drawPictures();
    this.drawThumbs();
  }

  async drawPictures() {
    if (!this.method.ready) return;
    const view = this.view();
    this.pictures.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => this.stage.classList.add("busy"), SLOW);
    try {
      const strip = await this.lanes.picture.ask(view);
      if (strip) {
        await drawStrip(strip, this.canvases(view.seeds));
        this.showOld(null);
      }
    } catch (error) {
      this.showOld(error);
      this.events.failed(error);
    } finally {
      clearTimeout(slow);
      if (!this.lanes.picture.busy) {
        this.stage.classList.remove("busy");
        this.pictures.removeAttribute("aria-busy");
      }
    }
  }

  // Say, or no longer, that the picture is one of before: what the sliders and settings say could not be drawn.
  showOld(error) {
    this.stage.classList.toggle("stale-picture", error !== null);
    const told = this.stage.querySelector(".stale");
    told.hidden = error === null;
    if (error) told.firstElementChild.textContent = `This picture is old. ${error.message}`;
    told.querySelector(".again").hidden = error?.status === 0;
  }

  // The thumbnails do not depend on where their own slider stands.
  async drawThumbs() {
    if (!this.method.ready) return;
    const view = { ...this.view(), dimension: this.walked };
    view.edits = view.edits.filter(([index]) => index !== this.walked);
    view.seeds = view.seeds.slice(0, 1);
    const wanted = JSON.stringify(view);
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    this.strip.classList.add("old");
    try {
      const strip = await this.lanes.thumbnails.ask(view);
      if (strip) await drawStrip(strip, this.thumbs.map((thumb) => thumb.canvas));
      if (strip && this.drawn === wanted) this.strip.classList.remove("old");
    } catch (error) {
      this.drawn = "";
      this.events.failed(error);
    }
  }

  walkRequest() {
    return { ...this.view(), dimension: this.walked, extent: 3, frames: 48 };
  }

  // Pressed again while a film is made, the button gives it up.
  async save(kind) {
    const lane = kind === "gif" ? this.lanes.film : this.lanes.still;
    if (lane.busy) {
      lane.cancel();
      return;
    }
    const button = this.stage.querySelector(`.save-${kind}`);
    const text = button.textContent;
    if (kind === "gif") button.textContent = "Cancel";
    button.setAttribute("aria-busy", "true");
    try {
      const file = await lane.ask(kind === "gif" ? this.walkRequest() : this.view());
      if (file) this.download(file, this.fileName(kind));
    } catch (error) {
      this.events.failed(error);
    } finally {
      button.textContent = text;
      button.removeAttribute("aria-busy");
    }
  }

  fileName(kind) {
    const network = this.session.network.name.replace(/\.[a-z]+$/, "").replace(/[^A-Za-z0-9._-]+/g, "-");
    const part = kind === "gif" ? `dim${this.walked}` : `seed${this.shared().seeds[0]}`;
    return `${network}-${this.method.name === "own" ? "" : `${this.method.name}-`}${part}.${kind}`;
  }

  download(file, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    this.events.say(`Saved ${name}`);
  }
}
