// The settings above the pictures: seeds, truncation, class, layers, what is mixed in, noise, the unit of strengths.

import { listText, parseList } from "./numbers.js";

const LARGEST_SEED = 4294967295;
export const MOST_SEEDS = 9;
const MOST_PSI = 1.5;
const byId = (id) => document.getElementById(id);

export class Settings {
  // `state` is changed in place, and `redraw(key)` called; `failed(error)` is told what cannot be read; `ownLayers()` are those of the
  // directions on screen.
  constructor(state, session, ownLayers, redraw, failed) {
    this.state = state;
    this.ownLayers = ownLayers;
    this.layers = session.network.layers;
    this.words = session.can.words;
    this.usualNoise = session.network.noise;
    this.redraw = redraw;
    this.failed = failed;
    this.makeSeeds();
    this.makeTruncation();
    this.makeClass(session.network.classes);
    byId("layers-setting").hidden = this.layers < 2 || session.methods.every((method) => method.layered);
    this.makeLayers();
    this.makeMix(session.can.mix);
    this.makeNoise(session.can.noise);
    byId("more").addEventListener("click", () => this.showMore(byId("more-settings").hidden));
    byId("unit").addEventListener("change", ({ target }) => this.change({ unit: target.value }));
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    this.show();
  }

  // What is seldom used stays out of the way, unless it is used.
  showMore(open) {
    byId("more-settings").hidden = !open;
    byId("more").setAttribute("aria-expanded", String(open));
    byId("more").textContent = open ? "Less" : "More";
  }

  show() {
    const { seeds, psi, mix } = this.state;
    const own = this.ownLayers();
    const layers = this.state.layers ?? own;
    byId("seeds").value = listText(seeds);
    byId("truncation").value = psi;
    byId("truncation").style.setProperty("--to", `${(psi / MOST_PSI) * 100}%`);
    byId("truncation-value").textContent = psi.toFixed(2);
    byId("class").value = this.state.class ?? "";
    byId("layers").value = this.state.layers ? listText(layers) : "";
    byId("layers").placeholder = own.length === this.layers ? "all" : listText(own);
    [...byId("cells").children].forEach((cell, index) => cell.classList.toggle("on", layers.includes(index)));
    byId("mix-seed").value = mix?.seed ?? "";
    byId("mix-layers").value = listText(mix?.layers ?? this.mixed);
    byId("mix-layers").disabled = !mix;
    byId("noise").checked = (this.state.noise ?? this.usualNoise) !== "none";
    byId("unit").value = this.state.unit;
    if (mix || !byId("noise").checked || this.state.unit !== "sigma") this.showMore(true);
    for (const input of byId("settings").querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  }

  change(values) {
    Object.assign(this.state, values);
    this.show();
    this.redraw("psi" in values ? "psi" : "");
  }

  // Take over what was typed, or say what about it cannot be.
  typed(input, read, accept) {
    let value;
    try {
      value = read(input.value.trim());
    } catch (error) {
      input.setAttribute("aria-invalid", "true");
      this.failed(error);
      return;
    }
    input.removeAttribute("aria-invalid");
    accept(value);
  }

  makeSeeds() {
    byId("previous").addEventListener("click", () => this.moveSeeds(-1));
    byId("next").addEventListener("click", () => this.moveSeeds(1));
    byId("random").addEventListener("click", () => this.drawSeeds());
    byId("seeds").addEventListener("change", ({ target }) =>
      this.typed(target, (text) => parseList(text, LARGEST_SEED, MOST_SEEDS, "seeds"), (seeds) => this.change({ seeds })),
    );
  }

  moveSeeds(direction) {
    const { seeds } = this.state;
    const moved = seeds.map((seed) => seed + direction * seeds.length);
    if (moved.every((seed) => seed >= 0 && seed <= LARGEST_SEED)) this.change({ seeds: moved });
  }

  drawSeeds() {
    const first = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
    this.change({ seeds: this.state.seeds.map((_, index) => first + index) });
  }

  makeTruncation() {
    const slider = byId("truncation");
    slider.max = MOST_PSI;
    slider.addEventListener("input", () => this.change({ psi: Number(slider.value) }));
    slider.addEventListener("dblclick", () => this.change({ psi: 1 }));
  }

  makeClass(classes) {
    byId("class-setting").hidden = classes === 0;
    byId("class").max = classes - 1;
    byId("class").addEventListener("change", ({ target }) =>
      this.typed(target, (text) => parseList(text, classes - 1, 1, "classes")[0], (chosen) => this.change({ class: chosen })),
    );
  }

  // "0-3,6", or a word: all, coarse, mid, fine.
  readLayers(text) {
    const words = { all: Array.from({ length: this.layers }, (_, layer) => layer), ...this.words };
    return words[text.toLowerCase()] ?? parseList(text, this.layers - 1, this.layers, "layers");
  }

  setLayers(layers) {
    const sorted = [...layers].sort((one, other) => one - other);
    this.change({ layers: listText(sorted) === listText(this.ownLayers()) ? null : sorted });
  }

  // A field, and beside it a cell for every layer: press one to take it out or in, drag to do the same to its neighbours.
  makeLayers() {
    const words = Object.keys(this.words);
    if (words.length > 0) byId("layers").title += `; or ${words.join(", ")}`;
    byId("layers").addEventListener("change", ({ target }) =>
      this.typed(target, (text) => (text ? this.readLayers(text) : this.ownLayers()), (layers) => this.setLayers(layers)),
    );
    let taking = false;
    const toggle = (layer) => {
      const chosen = new Set(this.state.layers ?? this.ownLayers());
      if (taking) chosen.add(layer);
      else chosen.delete(layer);
      if (chosen.size > 0) this.setLayers(chosen);
    };
    for (let layer = 0; layer < this.layers; layer += 1) {
      const cell = Object.assign(document.createElement("span"), { title: `layer ${layer}` });
      cell.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        cell.releasePointerCapture(event.pointerId);
        taking = !cell.classList.contains("on");
        toggle(layer);
      });
      cell.addEventListener("pointerenter", (event) => event.buttons === 1 && toggle(layer));
      byId("cells").append(cell);
    }
  }

  // Style mixing: some layers of every picture become those of another seed; at first the coarse half.
  makeMix(possible) {
    byId("mix-setting").hidden = !possible;
    this.mixed = Array.from({ length: Math.max(1, Math.floor(this.layers / 2)) }, (_, layer) => layer);
    byId("mix-seed").addEventListener("change", ({ target }) =>
      this.typed(target, (text) => (text ? parseList(text, LARGEST_SEED, 1, "seeds")[0] : null), (seed) =>
        this.change({ mix: seed === null ? null : { seed, layers: this.mixed } }),
      ),
    );
    byId("mix-layers").addEventListener("change", ({ target }) =>
      this.typed(target, (text) => this.readLayers(text), (layers) => {
        this.mixed = [...layers].sort((one, other) => one - other);
        this.change({ mix: { seed: this.state.mix.seed, layers: this.mixed } });
      }),
    );
  }

  makeNoise(possible) {
    byId("noise-setting").hidden = !possible;
    const usual = this.usualNoise !== "none";
    const others = usual ? "none" : "const";
    byId("noise").addEventListener("change", ({ target }) => this.change({ noise: target.checked === usual ? null : others }));
  }
}
