// What people like, and the others: two lists that the server keeps with the run.

import { call, ticket } from "./api.js";
import { strengthText } from "./numbers.js";
import { download } from "./strip.js";
import { Tiles, sameView, toggle } from "./tiles.js";

export const LISTS = ["liked", "others"];
const byId = (id) => document.getElementById(id);

export class Choices {
  // `recalled(view)` is told which view to show again, `did(step)` what can be undone, `changed()` that the lists are others now,
  // `between(from, to)` which two to loop between.
  constructor({ session, recalled, did, changed, between, failed, say }) {
    Object.assign(this, { recalled, did, changed, between, failed, say });
    this.lists = { liked: [], others: [], file: null };
    this.marked = [];
    const look = { crisp: session.can.crisp, aspect: session.network.width / session.network.height };
    this.tiles = Object.fromEntries(
      LISTS.map((name) => [
        name,
        new Tiles(byId(`${name}-tiles`), name, { make: (view) => this.below(name, view), picked: (view) => this.recall(view), failed, ...look }),
      ]),
    );
    byId("between").addEventListener("click", () => this.playBetween());
    byId("download-choices").addEventListener("click", () => this.save());
    byId("chosen").addEventListener("close", () => LISTS.forEach((name) => this.tiles[name].stop()));
    this.take(session.choices);
  }

  take(lists) {
    if (lists.error) this.failed(new Error(lists.error));
    else this.lists = lists;
    byId("liked-count").textContent = this.lists.liked.length;
    byId("kept-where").textContent = this.lists.file
      ? `Both lists are written into ${this.lists.file}, beside the directions.`
      : "There is no run to write these lists into: they are kept until the explorer stops.  Download them to keep them longer.";
    this.changed();
  }

  includes(name, view) {
    return this.lists[name].some((entry) => sameView(entry, view));
  }

  // Put views of one image each into a list, or, where all of them are in it, take them out.
  async toggle(name, views) {
    const before = views.map((view) => LISTS.find((list) => this.includes(list, view)) ?? null);
    const after = before.every((list) => list === name) ? null : name;
    const put = async (lists) => {
      for (const [index, view] of views.entries()) await this.put(view, lists[index]);
    };
    if (await this.attempt(() => put(views.map(() => after)))) {
      this.did({ back: () => this.attempt(() => put(before)), forth: () => this.attempt(() => put(views.map(() => after))) });
      const what = views.length === 1 ? "It is" : `${views.length} images are`;
      this.say(after === null ? `${what} in no list now` : `${what} ${after === "liked" ? "liked" : "with the others"} now`);
    }
  }

  async put(view, list) {
    this.take(await (await call("choose", { ...view, list, ...ticket() })).json());
  }

  async attempt(work) {
    try {
      await work();
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  open() {
    byId("chosen").showModal();
    this.draw();
  }

  draw() {
    this.marked = this.marked.filter((view) => LISTS.some((name) => this.includes(name, view)));
    byId("between").disabled = this.marked.length !== 2;
    for (const name of LISTS) {
      byId(`${name}-none`).hidden = this.lists[name].length > 0;
      this.tiles[name].show(this.lists[name], this.lists[name].map(nameOf));
    }
  }

  below(name, view) {
    const label = nameOf(view);
    const other = LISTS.find((list) => list !== name);
    const again = async (list) => {
      await this.toggle(list, [view]);
      this.draw();
    };
    const line = Object.assign(document.createElement("div"), { className: "below" });
    const text = Object.assign(document.createElement("div"), { className: "called", textContent: label, title: label });
    const mark = toggle("↔", `Loop between ${label} and another`, this.marked.some((one) => sameView(one, view)), (button) => this.mark(view, button));
    const move = toggle(name === "liked" ? "✕" : "♥", other === "liked" ? `Like ${label}` : `Put ${label} with the others`, null, () => again(other));
    line.append(mark, move, toggle("−", `Take ${label} out of the list`, null, () => again(name)));
    return [text, line];
  }

  mark(view, button) {
    const others = this.marked.filter((one) => !sameView(one, view));
    if (others.length === this.marked.length && others.length === 2) {
      this.failed(new Error("Two are marked already; a loop goes between two"));
      return;
    }
    this.marked = others.length < this.marked.length ? others : [...others, view];
    button.setAttribute("aria-pressed", String(this.marked.includes(view)));
    byId("between").disabled = this.marked.length !== 2;
  }

  recall(view) {
    byId("chosen").close();
    this.recalled(view);
  }

  playBetween() {
    byId("chosen").close();
    this.between(...this.marked);
  }

  async save() {
    await this.attempt(async () => {
      const answer = await call("chosen", {});
      download(await answer.blob(), "choices.json");
    });
  }
}

function nameOf(view) {
  const edits = view.edits.map(([index, value]) => `dim ${index} ${strengthText(value)}`).join(", ");
  return `seed ${view.seeds[0]}${view.mix ? ` with ${view.mix.seed}` : ""}${edits ? `, ${edits}` : ""}`;
}
