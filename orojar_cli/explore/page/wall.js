// A wall of seeds to choose from.

import { LISTS } from "./choices.js";
import { MOST_SEEDS } from "./settings.js";
import { Tiles, toggle } from "./tiles.js";

const COUNT = 24;
const LARGEST_SEED = 4294967295;
const byId = (id) => document.getElementById(id);

export class Wall {
  // `view()` is that of the pictures on screen; `choices` the lists of what is liked; `chosen(seeds)` is told of seeds to show.
  constructor({ session, view, choices, chosen, failed }) {
    Object.assign(this, { view, choices, chosen });
    this.first = 0;
    this.tiles = new Tiles(byId("wall-tiles"), "wall", {
      make: (one) => this.below(one),
      picked: (one, event) => this.pick(one.seeds[0], event.shiftKey || event.ctrlKey || event.metaKey),
      failed,
      crisp: session.can.crisp,
      aspect: session.network.width / session.network.height,
    });
    byId("wall-edited").addEventListener("change", () => this.draw());
    byId("wall-back").addEventListener("click", () => this.go(this.first - COUNT));
    byId("wall-on").addEventListener("click", () => this.go(this.first + COUNT));
    byId("wall-first").addEventListener("change", ({ target }) => this.go(Math.trunc(Number(target.value)) || 0));
    byId("wall").addEventListener("close", () => this.tiles.stop());
  }

  open() {
    byId("wall").showModal();
    this.go(Math.floor(this.view().seeds[0] / COUNT) * COUNT);
  }

  go(first) {
    this.first = Math.max(0, Math.min(LARGEST_SEED - COUNT + 1, first));
    byId("wall-first").value = this.first;
    byId("wall-back").disabled = this.first === 0;
    this.draw();
  }

  draw() {
    const view = this.view();
    if (!byId("wall-edited").checked) Object.assign(view, { edits: [], mix: null });
    const seeds = Array.from({ length: COUNT }, (_, index) => this.first + index);
    const drawn = this.tiles.show(seeds.map((seed) => ({ ...view, seeds: [seed] })), seeds.map((seed) => `Seed ${seed}`));
    this.mark();
    return drawn;
  }

  mark() {
    const chosen = this.view().seeds;
    this.tiles.tiles.forEach((tile, index) => tile.firstChild.setAttribute("aria-pressed", String(chosen.includes(this.first + index))));
  }

  // Alone, or added to those that are shown or taken from them.
  pick(seed, several) {
    const seeds = this.view().seeds;
    if (!several) {
      byId("wall").close();
      this.chosen([seed]);
      return;
    }
    const others = seeds.filter((one) => one !== seed);
    if (others.length < seeds.length) this.chosen(others.length ? others : seeds);
    else if (seeds.length < MOST_SEEDS) this.chosen([...seeds, seed].sort((one, other) => one - other));
    else this.tiles.failed(new Error(`${MOST_SEEDS} seeds are the most that are shown together`));
    this.mark();
  }

  below(one) {
    const [seed] = one.seeds;
    const labels = { liked: ["♥", `Like seed ${seed}`], others: ["✕", `Put seed ${seed} with the others`] };
    const act = async (name) => {
      await this.choices.toggle(name, [one]);
      for (const [list, button] of buttons) button.setAttribute("aria-pressed", String(this.choices.includes(list, one)));
    };
    const buttons = LISTS.map((name) => [name, toggle(...labels[name], this.choices.includes(name, one), () => act(name))]);
    const line = Object.assign(document.createElement("div"), { className: "below" });
    line.append(Object.assign(document.createElement("span"), { textContent: seed }), ...buttons.map(([, button]) => button));
    return [line];
  }
}
