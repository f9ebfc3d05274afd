// The last operations, with the picture after each: a slider back in time.

const KEPT = 300;

export class History {
  #frames = [];
  #slider;
  #shown;
  #draw;

  constructor(slider, shown, draw) {
    this.#slider = slider;
    this.#shown = shown;
    this.#draw = draw;
    slider.addEventListener("input", () => this.#show());
  }

  get isNow() {
    return Number(this.#slider.value) >= this.#frames.length - 1;
  }

  clear() {
    this.#frames = [];
  }

  /** Adds the picture after `what`; shows it unless the slider stands in the past. */
  add(what, state) {
    const wasNow = this.isNow;
    this.#frames.push({ what, state });
    if (this.#frames.length > KEPT) {
      this.#frames.shift();
      if (!wasNow) this.#slider.value = Math.max(0, Number(this.#slider.value) - 1);
    }
    this.#slider.max = this.#frames.length - 1;
    if (wasNow) this.toNow();
  }

  toNow() {
    this.#slider.value = this.#frames.length - 1;
    this.#show();
  }

  #show() {
    const frame = this.#frames[Number(this.#slider.value)];
    if (frame === undefined) return;
    const back = this.#frames.length - 1 - Number(this.#slider.value);
    const text = back === 0 ? "now" : `${back} back, after: ${frame.what}`;
    this.#shown.value = text;
    this.#slider.setAttribute("aria-valuetext", text);
    this.#draw(frame.state, back === 0);
  }
}
