// When to ask the service again: often at first, then less, and never from a tab that nobody sees.

const FIRST = 1_000; // milliseconds
const LONGEST = 10_000;
const IDLE = 60_000; // nothing runs; somebody else of the account may ask
const GROWTH = 1.3;
const LATE = 500; // after a change: the service's clock may be a little behind

export class Watch {
  #refresh;
  #timer;
  #pause = FIRST;
  #running = false;
  #stopped = true;

  constructor(refresh) {
    this.#refresh = refresh;
  }

  start() {
    this.#stopped = false;
    document.addEventListener("visibilitychange", this.#seen);
    addEventListener("online", this.#seen);
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    document.removeEventListener("visibilitychange", this.#seen);
    removeEventListener("online", this.#seen);
  }

  /** After an answer, or none: when to ask again. `eager` while something runs or nothing is heard; `change` is
   *  the moment, in milliseconds, at which something will be otherwise, as a file's end. */
  again(eager, change) {
    clearTimeout(this.#timer);
    if (eager !== this.#running) {
      this.#running = eager;
      this.#pause = FIRST;
    }
    if (this.#stopped || document.hidden) {
      return;
    }
    const left = change - Date.now() + LATE;
    this.#timer = setTimeout(this.#refresh, Math.min(eager ? this.#pause : IDLE, left > 0 ? left : IDLE));
    this.#pause = Math.min(this.#pause * GROWTH, LONGEST);
  }

  #seen = () => {
    clearTimeout(this.#timer);
    if (!document.hidden) {
      this.#pause = FIRST;
      this.#refresh();
    }
  };
}
