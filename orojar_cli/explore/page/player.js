// Moving pictures on the page: frames are drawn as fast as they come, and shown again from memory in the next round.

const FRAMES = 48;
const PERIOD = 2400;
const MOST_BYTES = 1 << 28;

export class Player {
  // `ask(place)` gives a frame's pictures as a blob or null, `show(bitmap, place)` draws them, `failed(error)` is told of failures.
  constructor({ ask, show, failed }) {
    Object.assign(this, { ask, show, failed });
    this.playing = false;
    this.kept = new Map();
    this.bytes = 0;
    this.place = 0;
  }

  // What is shown has become another: nothing drawn before is right any more.
  forget() {
    for (const bitmap of this.kept.values()) bitmap.close();
    this.kept.clear();
    this.bytes = 0;
    this.round = (this.round ?? 0) + 1;
  }

  async start() {
    this.playing = true;
    const mine = (this.run = Symbol("run"));
    const began = performance.now();
    let shown = null;
    while (this.playing && this.run === mine) {
      const frame = Math.floor((((performance.now() - began) % PERIOD) / PERIOD) * FRAMES);
      // There and back: the second half passes the places of the first.
      const place = Math.round(Math.sin((2 * Math.PI * frame) / FRAMES) * 1e6) / 1e6;
      if (place !== shown) {
        const round = this.round;
        try {
          const bitmap = await this.frame(place);
          if (!this.playing || this.run !== mine) return;
          if (bitmap && round === this.round) {
            this.show(bitmap, place);
            this.place = place;
            shown = place;
          }
        } catch (error) {
          this.stop();
          this.failed(error);
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, document.hidden ? 250 : 16));
    }
  }

  stop() {
    this.playing = false;
    this.forget();
  }

  async frame(place) {
    const kept = this.kept.get(place);
    if (kept) return kept;
    const round = this.round;
    const blob = await this.ask(place);
    if (!blob) return null;
    const bitmap = await createImageBitmap(blob);
    const bytes = 4 * bitmap.width * bitmap.height;
    if (round === this.round && this.bytes + bytes <= MOST_BYTES) {
      this.kept.set(place, bitmap);
      this.bytes += bytes;
    }
    return bitmap;
  }
}
