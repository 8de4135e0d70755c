// Small pictures to choose from: the wall of seeds, and the lists of what people like and what not.

import { Lane } from "./api.js";
import { drawStrip } from "./strip.js";

const SIDE = 128;
const AT_ONCE = 8;

export const sameView = (one, other) => keyOf(one) === keyOf(other);

// A view of one image as a text that is the same for the same image.
function keyOf(view) {
  const edits = [...view.edits].filter(([, value]) => value).sort(([one], [other]) => one - other);
  const { method, seeds, psi, layers, noise = null, mix = null, keep = [] } = view;
  return JSON.stringify([edits.length ? method : "", seeds[0], view.class, psi, edits.length ? layers : null, edits, noise, mix, edits.length ? keep : []]);
}

export class Tiles {
  // `element` gets a tile for each view; `make(view)` gives what stands below its picture, `picked(view, event)` is told of choices.
  constructor(element, name, { make, picked, failed, crisp, aspect }) {
    Object.assign(this, { element, make, picked, failed });
    this.lane = new Lane("tiles", name);
    this.shown = 0;
    element.classList.toggle("crisp", crisp);
    element.style.setProperty("--aspect", aspect);
  }

  // Show these views, called by their `names`.
  async show(views, names) {
    const mine = (this.shown += 1);
    const canvases = views.map(() => document.createElement("canvas"));
    this.tiles = views.map((view, index) => {
      const tile = Object.assign(document.createElement("div"), { className: "tile" });
      const pick = Object.assign(document.createElement("button"), { type: "button", className: "pick" });
      pick.setAttribute("aria-label", names[index]);
      pick.append(canvases[index]);
      pick.addEventListener("click", (event) => this.picked(view, event));
      tile.append(pick, ...this.make(view, names[index]));
      return tile;
    });
    this.element.replaceChildren(...this.tiles);
    this.element.setAttribute("aria-busy", "true");
    try {
      for (let start = 0; start < views.length; start += AT_ONCE) {
        const some = canvases.slice(start, start + AT_ONCE);
        const strip = await this.lane.ask({ views: views.slice(start, start + AT_ONCE), side: SIDE });
        if (!strip || mine !== this.shown) return;
        const bitmap = await createImageBitmap(strip);
        drawStrip(bitmap, some);
        bitmap.close();
      }
    } catch (error) {
      this.failed(error);
    } finally {
      if (mine === this.shown) this.element.removeAttribute("aria-busy");
    }
  }

  // Give up what is not drawn yet.
  stop() {
    this.shown += 1;
    this.lane.cancel();
  }
}

export function toggle(text, label, pressed, act) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "toggle", textContent: text, title: label });
  button.setAttribute("aria-label", label);
  if (pressed !== null) button.setAttribute("aria-pressed", String(pressed));
  button.addEventListener("click", () => act(button));
  return button;
}
