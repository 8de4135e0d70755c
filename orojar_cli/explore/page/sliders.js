// The list of sliders of one method: names, activeness, values, renaming.

import { scoreText, shownName, shownStrength, unitText } from "./numbers.js";

const ROWS_AT_ONCE = 24;
const LARGEST = 4;
const RENAME = "Rename (F2)";

export class Sliders {
  // `on` is told what people do: moved(index, value), walked(index), named(index, text), locked(index), reset(); `unit()` is that of the
  // strengths shown.
  constructor(on, unit) {
    this.on = on;
    this.unit = unit;
    this.method = null;
    this.rows = [];
    this.element = document.getElementById("list-template").content.firstElementChild.cloneNode(true);
    this.more = this.element.querySelector(".more");
    this.element.querySelector(".reset-all").addEventListener("click", () => on.reset());
    this.more.addEventListener("click", () => {
      const first = this.rows.length;
      this.addRows(first + ROWS_AT_ONCE);
      this.rows[first].slider.focus();
    });
  }

  get renaming() {
    return this.element.querySelector("input.rename") !== null;
  }

  get dragging() {
    return this.element.querySelector("input[type=range]:active") !== null;
  }

  // The method as the server describes it; `edits` are the strengths that differ from 0.
  describe(method, edits, kept) {
    this.method = method;
    this.element.setAttribute("aria-label", `Directions of ${method.title}`);
    this.element.querySelector(".kept").textContent = !method.ready
      ? ""
      : method.kept === "file"
        ? `Names are written into ${method.file}.`
        : "Names of these directions are kept until the explorer stops.";
    this.element.querySelector(".columns .measure").textContent = method.score ? method.score[0].toUpperCase() + method.score.slice(1) : "";
    if (this.rows.length === 0) this.addRows(Math.max(ROWS_AT_ONCE, ...[...edits.keys()].map((index) => index + 1)));
    this.rows.forEach((row) => this.showName(row));
    this.showValues(edits);
    this.showKept(kept);
  }

  // Of dimensions that stay as they are while others move the lock is closed.
  showKept(kept) {
    for (const row of this.rows) {
      row.lock.setAttribute("aria-pressed", String(kept.has(row.index)));
      row.item.classList.toggle("kept-still", kept.has(row.index));
    }
  }

  setHeading(text) {
    this.element.querySelector("h2").textContent = text;
  }

  addRows(count) {
    const before = this.rows.length;
    const all = this.method.directions.length;
    const largest = Math.max(...this.method.directions.map((direction) => direction.score));
    for (let index = before; index < Math.min(count, all); index += 1) this.rows.push(this.makeRow(index, largest));
    this.element.querySelector("ol").append(...this.rows.slice(before).map((row) => row.item));
    const left = all - this.rows.length;
    this.more.hidden = left === 0;
    this.more.textContent = `Show ${Math.min(left, ROWS_AT_ONCE)} more of ${all}`;
  }

  makeRow(index, largest) {
    const item = document.getElementById("row-template").content.firstElementChild.cloneNode(true);
    const find = (selector) => item.querySelector(selector);
    const { score } = this.method.directions[index];
    const row = { index, item, name: find(".name"), slider: find("input"), value: find(".value"), lock: find(".lock") };
    find(".dim").textContent = index;
    find(".score").title = `${this.method.score} ${scoreText(score)}`;
    find(".score").id = `${this.method.name}-score-${index}`;
    find(".measure").textContent = `${this.method.score} `;
    row.slider.setAttribute("aria-describedby", find(".score").id);
    find(".number").textContent = scoreText(score);
    find(".bar span").style.setProperty("--share", largest > 0 ? Math.max(0, score / largest) : 0);
    row.slider.setAttribute("aria-keyshortcuts", this.lockable ? "0 F2 l j k" : "0 F2 j k");
    row.slider.addEventListener("input", () => this.on.moved(index, Number(row.slider.value)));
    row.slider.addEventListener("dblclick", () => this.on.moved(index, 0));
    row.slider.addEventListener("keydown", (event) => this.onKey(event, row));
    row.slider.addEventListener("focus", () => this.on.walked(index));
    row.name.addEventListener("click", () => this.rename(row));
    row.lock.addEventListener("click", () => this.on.locked(index));
    row.lock.hidden = !this.lockable;
    item.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse" && event.buttons === 0) this.hover(index);
    });
    this.showName(row);
    this.showValue(row, 0);
    return row;
  }

  // Only where the pointer rests: passing over a row asks for nothing.
  hover(index) {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      if (!this.dragging && !this.renaming) this.on.walked(index);
    }, 120);
  }

  onKey(event, row) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const step = { PageUp: 1, PageDown: -1 }[event.key];
    if (step) this.on.moved(row.index, Math.min(LARGEST, Math.max(-LARGEST, Number(row.slider.value) + step)));
    else if (["0", "Delete", "Backspace"].includes(event.key)) this.on.moved(row.index, 0);
    else if (event.key === "l" && this.lockable) this.on.locked(row.index);
    else if (["F2", "Enter"].includes(event.key)) this.rename(row);
    else return;
    event.preventDefault();
  }

  focusNext(step) {
    const at = this.rows.findIndex((row) => row.slider === document.activeElement);
    this.rows[at < 0 ? 0 : Math.min(this.rows.length - 1, Math.max(0, at + step))]?.slider.focus();
  }

  showName(row) {
    const direction = this.method.directions[row.index];
    const name = shownName(direction);
    const proposed = !direction.label && direction.proposed;
    row.name.textContent = name || `dim ${row.index}`;
    row.name.classList.toggle("unnamed", !name);
    row.name.classList.toggle("proposed", Boolean(proposed));
    row.name.title = proposed ? `${direction.proposed.why}. ${RENAME}` : RENAME;
    row.slider.setAttribute("aria-label", name ? `dim ${row.index}, ${name}` : `dim ${row.index}`);
    row.lock.setAttribute("aria-label", `Keep ${name || `dim ${row.index}`} while others move`);
  }

  showValues(edits) {
    this.rows.forEach((row) => this.showValue(row, edits.get(row.index) ?? 0));
  }

  showValue(row, value) {
    row.slider.value = value;
    const text = shownStrength(value, this.method.directions[row.index].sigma, this.unit());
    row.value.textContent = text;
    row.slider.setAttribute("aria-valuetext", `${text} ${unitText(this.unit())}`);
    row.item.classList.toggle("moved", value !== 0);
    const place = (Math.min(LARGEST, Math.max(-LARGEST, value)) + LARGEST) / (2 * LARGEST);
    row.slider.style.setProperty("--from", `${Math.min(place, 0.5) * 100}%`);
    row.slider.style.setProperty("--to", `${Math.max(place, 0.5) * 100}%`);
  }

  showWalked(walked) {
    this.rows.forEach((row) => row.item.classList.toggle("walked", row.index === walked));
  }

  rename(row) {
    const input = document.createElement("input");
    const direction = this.method.directions[row.index];
    const before = direction.label;
    Object.assign(input, { className: "rename", maxLength: 80, value: before, placeholder: shownName(direction) || `dim ${row.index}` });
    input.setAttribute("aria-label", `Name of dim ${row.index}`);
    let open = true;
    const close = (keep, refocus) => {
      if (!open) return;
      open = false;
      input.replaceWith(row.name);
      if (refocus) row.slider.focus();
      if (keep && input.value.trim() !== before) this.on.named(row.index, input.value.trim());
    };
    input.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") close(true, true);
      if (event.key === "Escape") close(false, true);
    });
    input.addEventListener("blur", () => close(true, false));
    row.name.replaceWith(input);
    input.focus();
    input.select();
  }
}
