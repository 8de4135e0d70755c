// The settings above the pictures: seeds, truncation, class, layers.

import { listText, parseList } from "./numbers.js";

const LARGEST_SEED = 4294967295;
const MOST_SEEDS = 9;
const MOST_PSI = 1.5;
const byId = (id) => document.getElementById(id);

export class Settings {
  // `state` is changed in place, and `redraw()` called; `failed(error)` is told what cannot be read; `ownLayers()` are those of the
  // directions on screen.
  constructor(state, session, ownLayers, redraw, failed) {
    this.state = state;
    this.ownLayers = ownLayers;
    this.layers = session.network.layers;
    this.redraw = redraw;
    this.failed = failed;
    this.makeSeeds();
    this.makeTruncation();
    this.makeClass(session.network.classes);
    byId("layers-setting").hidden = this.layers < 2 || session.methods.every((method) => method.layered);
    this.makeLayers();
    byId("settings").addEventListener("submit", (event) => event.preventDefault());
    this.show();
  }

  show() {
    const { seeds, psi } = this.state;
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
  }

  change(values) {
    Object.assign(this.state, values);
    this.show();
    this.redraw();
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

  setLayers(layers) {
    const sorted = [...layers].sort((one, other) => one - other);
    this.change({ layers: listText(sorted) === listText(this.ownLayers()) ? null : sorted });
  }

  // A field, and beside it a cell for every layer: press one to take it out or in, drag to do the same to its neighbours.
  makeLayers() {
    const all = Array.from({ length: this.layers }, (_, layer) => layer);
    byId("layers").addEventListener("change", ({ target }) => {
      const read = (text) => ({ "": this.ownLayers(), all })[text] ?? parseList(text, this.layers - 1, this.layers, "layers");
      this.typed(target, read, (layers) => this.setLayers(layers));
    });
    let taking = false;
    const toggle = (layer) => {
      const chosen = new Set(this.state.layers ?? this.ownLayers());
      if (taking) chosen.add(layer);
      else chosen.delete(layer);
      if (chosen.size > 0) this.setLayers(chosen);
    };
    for (const layer of all) {
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
}
