// The dialog that asks how a picture or film is to be saved.

import { shownName, shownStrength, unitText } from "./numbers.js";

const MOST_FRAMES = 1440;
const KEEPS = ["png", "gif", "apng"];
const byId = (id) => document.getElementById(id);

export class Saving {
  // `state()` is the page's, which the file keeps; `marked()` are the two views of a loop, where there are two, and `makeReady(...views)`
  // sees to it that their directions are there.
  constructor({ session, state, marked, makeReady }) {
    Object.assign(this, { session, state, marked, makeReady });
    byId("save-center").checked = session.look.center;
    byId("saving-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.submitter?.value !== "cancel") this.save();
      byId("saving").close();
    });
    for (const id of ["save-kind", "save-seconds", "save-fps", "save-what"]) byId(id).addEventListener("input", () => this.tell());
  }

  open(pane, name) {
    Object.assign(this, { pane, name });
    const film = name === "film";
    byId("saving-title").textContent = film ? "Save a film" : "Save the picture";
    for (const part of document.querySelectorAll("#saving .of-film")) part.hidden = !film;
    const kinds = this.session.can[film ? "films" : "stills"];
    byId("save-kind").replaceChildren(...kinds.map((kind) => new Option(kind.toUpperCase(), kind)));
    byId("save-size").value = pane.shownSize();
    const direction = pane.method.directions[pane.walked];
    const { unit } = this.state();
    const called = shownName(direction);
    const about = called ? `dim ${pane.walked} (${called})` : `dim ${pane.walked}`;
    const choices = [new Option(`along ${about}, there and back`, "along")];
    if (this.marked().length === 2) choices.push(new Option("between the two marked images", "between"));
    byId("save-what").replaceChildren(...choices);
    byId("save-unit").textContent = unitText(unit);
    byId("save-extent").value = Number(shownStrength(3, direction.sigma, unit).replace("+", ""));
    byId("save-extent").max = 20 * (unit === "latent" ? direction.sigma : 1);
    this.tell();
    byId("saving").showModal();
  }

  get frames() {
    return Math.min(MOST_FRAMES, Math.max(2, Math.round(Number(byId("save-seconds").value) * Number(byId("save-fps").value))));
  }

  tell() {
    const { width, height } = this.session.network;
    const kind = byId("save-kind").value;
    const frames = this.name === "film" ? `${this.frames} frames. ` : "";
    const keeps = KEEPS.includes(kind) ? "The file keeps all settings: dropped on this page, it brings them back." : "This format keeps no settings; PNG, GIF and APNG do.";
    byId("save-told").textContent = `${frames}The network draws ${width}×${height} pixels. ${keeps}`;
    const between = byId("save-what").value === "between";
    byId("save-extent").disabled = between;
    byId("save-center").disabled = between || !this.pane.centrable;
  }

  async save() {
    const { pane, name } = this;
    const kind = byId("save-kind").value;
    const options = { size: Number(byId("save-size").value), state: this.state() };
    if (name === "film") {
      const sigma = this.state().unit === "latent" ? pane.method.directions[pane.walked].sigma : 1;
      Object.assign(options, {
        dimension: pane.walked,
        extent: Number(byId("save-extent").value) / sigma,
        frames: this.frames,
        fps: Number(byId("save-fps").value),
        center: byId("save-center").checked && pane.centrable,
      });
      if (byId("save-what").value === "between") {
        const [from, to] = this.marked();
        Object.assign(options, { ...from, to });
        await this.makeReady(from, to);
      }
    }
    pane.save(name, kind, options);
  }
}
