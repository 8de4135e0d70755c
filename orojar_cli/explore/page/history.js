// Undo and redo: steps that know the way back and forth.

const TOGETHER = 800;
const MOST = 1000;

export class History {
  // `changed()` is called whenever there is more or less to undo or redo.
  constructor(changed) {
    this.changed = changed;
    this.steps = [];
    this.at = 0;
  }

  get undoable() {
    return this.at > 0;
  }

  get redoable() {
    return this.at < this.steps.length;
  }

  // A step that has been taken.  Steps of one `key` that follow one another at once, as while a slider is dragged, become one.
  add({ back, forth, key = "" }) {
    const last = this.steps[this.at - 1];
    const now = performance.now();
    if (key && !this.redoable && last?.key === key && now - last.time < TOGETHER) Object.assign(last, { forth, time: now });
    else {
      this.steps.splice(this.at, Infinity, { back, forth, key, time: now });
      if (this.steps.length > MOST) this.steps.shift();
      this.at = this.steps.length;
    }
    this.changed();
  }

  async undo() {
    if (!this.undoable) return;
    this.at -= 1;
    this.changed();
    await this.steps[this.at].back();
  }

  async redo() {
    if (!this.redoable) return;
    this.at += 1;
    this.changed();
    await this.steps[this.at - 1].forth();
  }
}
