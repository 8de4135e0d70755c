// One method: its picture, its thumbnails, its sliders, its files.

import { Lane, call } from "./api.js";
import { shownName, shownStrength } from "./numbers.js";
import { Player } from "./player.js";
import { Sliders } from "./sliders.js";
import { download, drawStrip, layOut } from "./strip.js";

const SLOW = 300;

export class Pane {
  // `shared()` gives what all panes show alike; `events` are told of changes, of messages and of failures.
  constructor(method, session, shared, events) {
    this.method = method;
    this.session = session;
    this.shared = shared;
    this.events = events;
    this.edits = new Map();
    this.kept = new Set();
    this.walked = 0;
    this.drawn = "";
    this.lanes = {};
    for (const name of ["picture", "between", "thumbnails", "still", "film", "directions"]) this.lanes[name] = new Lane(name, method.name);
    this.sliders = new Sliders({
      moved: (index, value) => this.set(index, value),
      walked: (index) => this.walk(index),
      named: (index, text) => this.rename(index, text),
      locked: (index) => this.lock(index),
      reset: () => this.reset(),
    }, () => this.shared().unit);
    this.sliders.lockable = session.can.keep;
    this.makeStage();
    this.makePlayers();
  }

  makeStage() {
    this.stage = document.getElementById("stage-template").content.firstElementChild.cloneNode(true);
    const find = (selector) => this.stage.querySelector(selector);
    this.pictures = find(".pictures");
    this.strip = find(".strip");
    this.walkedText = find(".walked");
    const { width, height } = this.session.network;
    this.stage.style.setProperty("--aspect", width / height);
    this.stage.classList.toggle("crisp", this.session.can.crisp);
    this.strip.setAttribute("aria-label", "The direction from −2 to +2 sigmas");
    this.thumbs = this.session.thumbnails.map((strength) => {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "thumb" });
      const canvas = document.createElement("canvas");
      const text = document.createElement("span");
      button.append(canvas, text);
      button.addEventListener("click", () => this.set(this.walked, strength));
      return { button, canvas, text, strength };
    });
    find(".thumbs").append(...this.thumbs.map((thumb) => thumb.button));
    find(".again").addEventListener("click", () => this.draw());
    find(".play").addEventListener("click", () => this.play());
    for (const name of ["liked", "others"]) find(`.${name}`).addEventListener("click", () => this.events.choose(this, name));
    find(".save-picture").addEventListener("click", () => this.askToSave("still"));
    find(".save-film").addEventListener("click", () => this.askToSave("film"));
    find(".show-command").addEventListener("click", () => this.events.command(this));
  }

  // Take over what the server says of the method: its directions, once they are computed, and their labels.
  describe(method) {
    this.method = method;
    this.stage.querySelector(".title").textContent = method.title;
    const noun = method.directions.length === 1 ? "direction" : "directions";
    this.stage.querySelector(".facts").textContent = method.ready ? `${method.directions.length} ${noun} in ${method.space}` : "computing…";
    if (method.ready) this.sliders.describe(method, this.edits, this.kept);
    this.showWalked();
  }

  // Compute the directions where the server has not yet, and draw.
  async show(besideOthers) {
    this.sliders.setHeading(besideOthers ? this.method.title : "Directions");
    await this.makeReady();
    this.draw();
  }

  async makeReady() {
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
  }

  showWalked() {
    this.sliders.showWalked(this.walked);
    const direction = this.method.directions[this.walked];
    if (!direction) return;
    const name = shownName(direction);
    this.walkedText.textContent = name ? `dim ${this.walked} · ${name}` : `dim ${this.walked}`;
    this.walkedText.title = (!direction.label && direction.proposed?.why) || "";
    const value = this.edits.get(this.walked) ?? 0;
    for (const { button, text, strength } of this.thumbs) {
      text.textContent = shownStrength(strength, direction.sigma, this.shared().unit);
      button.setAttribute("aria-label", `${this.walkedText.textContent} at ${text.textContent}`);
      button.setAttribute("aria-pressed", String(value === strength));
    }
  }

  set(index, value) {
    const rounded = Math.round(value * 100) / 100;
    if (rounded === 0) this.edits.delete(index);
    else this.edits.set(index, rounded);
    this.walked = index;
    this.edited(`${this.method.name}:${index}`);
  }

  reset() {
    if (this.edits.size === 0) return;
    this.edits = new Map();
    this.edited();
    this.events.say("All back to 0; z brings them back");
  }

  lock(index) {
    if (!this.kept.delete(index)) this.kept.add(index);
    this.edited();
  }

  // Changes that follow one another at once under one `key` are undone together.
  edited(key = "") {
    this.showEdits();
    this.draw();
    this.events.changed(key);
  }

  // The sliders as `edits`, `kept` and `walked` say.
  showEdits() {
    if (!this.method.ready) return;
    this.sliders.showValues(this.edits);
    this.sliders.showKept(this.kept);
    this.showWalked();
  }

  walk(index) {
    if (this.walked === index) return;
    if (this.walking.playing) this.sliders.showValues(this.edits);
    this.walked = index;
    this.walking.forget();
    this.showWalked();
    this.drawThumbs();
    this.events.changed();
  }

  async rename(index, text) {
    const before = this.method.directions[index].label;
    if (!(await this.name(index, text))) return;
    this.events.did({ back: () => this.name(index, before), forth: () => this.name(index, text) });
    this.events.say(text ? `dim ${index} is now “${text}”` : `dim ${index} has no name now`);
  }

  async name(index, text) {
    try {
      const answer = await call("label", { method: this.method.name, dimension: index, label: text });
      this.describe(await answer.json());
      return true;
    } catch (error) {
      this.events.failed(error);
      return false;
    }
  }

  // Moving pictures: along the direction under the pointer, or between two views.
  makePlayers() {
    const failed = (error) => {
      this.stopPlaying();
      this.events.failed(error);
    };
    const along = (place) => [...this.edits].filter(([index]) => index !== this.walked).concat([[this.walked, 2 * place]]);
    this.walking = new Player({
      ask: (place) => this.lanes.picture.ask({ ...this.view(), edits: along(place) }),
      show: (bitmap, place) => {
        drawStrip(bitmap, this.canvases(this.view().seeds));
        this.sliders.showValues(new Map(along(place)));
      },
      failed,
    });
    this.looping = new Player({
      ask: (place) => this.lanes.between.ask({ ...this.ends[0], to: this.ends[1], share: (place + 1) / 2 }),
      show: (bitmap) => drawStrip(bitmap, layOut(this.pictures, Math.max(...this.ends.map((end) => end.seeds.length)))),
      failed,
    });
  }

  get playing() {
    return this.walking.playing || this.looping.playing;
  }

  play() {
    if (this.playing) this.stopPlaying();
    else this.begin(this.walking);
  }

  // Loop between two views.
  playBetween(from, to) {
    this.stopPlaying();
    this.ends = [from, to];
    this.begin(this.looping);
  }

  begin(player) {
    if (!this.method.ready) return;
    this.stage.querySelector(".play").textContent = "Stop";
    player.start();
  }

  // A walk stays where it is stopped, unless it is given up for another state; a loop leads back to what was shown.
  stopPlaying(stay = true) {
    if (!this.playing) return;
    const walked = this.walking.playing;
    const { place } = this.walking;
    this.walking.stop();
    this.looping.stop();
    this.stage.querySelector(".play").textContent = "Play";
    if (walked && stay) this.set(this.walked, 2 * place);
    else if (stay) this.draw();
  }

  // The whole state of the picture, which every request carries.
  view() {
    const { seeds, psi, layers, noise, mix, class: classIndex } = this.shared();
    const own = { method: this.method.name, layers: this.method.layered ? null : layers, edits: [...this.edits], keep: [...this.kept] };
    return { ...own, seeds, class: classIndex, psi, noise, mix };
  }

  canvases(seeds) {
    const { unit, mix } = this.shared();
    const strength = (index, value) => shownStrength(value, this.method.directions[index]?.sigma, unit);
    const changed = [...this.edits].map(([index, value]) => `, dim ${index} ${strength(index, value)}`).join("");
    return layOut(this.pictures, seeds.length).map((canvas, index) => {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Seed ${seeds[index]}${mix ? ` mixed with ${mix.seed}` : ""}${changed}`);
      return canvas;
    });
  }

  draw() {
    // What moves asks for its own frames.
    if (this.playing) this.walking.forget();
    else this.drawPictures();
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
        const bitmap = await createImageBitmap(strip);
        if (!this.playing) drawStrip(bitmap, this.canvases(view.seeds));
        bitmap.close();
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
      if (strip) {
        const bitmap = await createImageBitmap(strip);
        drawStrip(bitmap, this.thumbs.map((thumb) => thumb.canvas));
        bitmap.close();
      }
      if (strip && this.drawn === wanted) this.strip.classList.remove("old");
    } catch (error) {
      this.drawn = "";
      this.events.failed(error);
    }
  }

  walkRequest() {
    const center = this.session.look.center && this.centrable;
    return { ...this.view(), dimension: this.walked, extent: 3, frames: 48, center };
  }

  // In these spaces images have coordinates along directions, which can be taken away.
  get centrable() {
    return ["z", "w", "w+"].includes(this.method.space);
  }

  // Pressed again while a film is made, the button gives it up.
  askToSave(name) {
    if (this.lanes[name].busy) this.lanes[name].cancel();
    else this.events.askToSave(this, name);
  }

  // Make a file of a `kind` as `options` say, "still" or "film", and save it.
  async save(name, kind, options) {
    const lane = this.lanes[name];
    const button = this.stage.querySelector(name === "film" ? ".save-film" : ".save-picture");
    const text = button.textContent;
    const fileName = this.fileName(name, kind, options.to);
    button.textContent = "Cancel";
    button.setAttribute("aria-busy", "true");
    try {
      const file = await lane.ask({ ...this.view(), ...options, kind });
      if (file) this.download(file, fileName);
    } catch (error) {
      this.events.failed(error);
    } finally {
      button.textContent = text;
      button.removeAttribute("aria-busy");
    }
  }

  // Pixels of one picture's longer side as the page shows it, of pixel art in whole multiples, and the network's own at least.
  shownSize() {
    const own = Math.max(this.session.network.width, this.session.network.height);
    const box = this.pictures.firstElementChild?.getBoundingClientRect() ?? { width: own, height: own };
    const shown = Math.ceil(Math.max(box.width, box.height) * devicePixelRatio);
    return Math.min(4096, Math.max(own, this.session.can.crisp ? Math.ceil(shown / own) * own : shown));
  }

  fileName(name, kind, between) {
    const network = this.session.network.name.replace(/\.[a-z]+$/, "").replace(/[^A-Za-z0-9._-]+/g, "-");
    const part = between ? "between" : name === "film" ? `dim${this.walked}` : `seed${this.shared().seeds[0]}`;
    return `${network}-${this.method.name === "own" ? "" : `${this.method.name}-`}${part}.${kind}`;
  }

  download(file, name) {
    download(file, name);
    this.events.say(`Saved ${name}`);
  }
}
