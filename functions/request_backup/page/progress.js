// How far a running backup is: only what is known, and never less than was shown before.

// What runs beyond the last backup's size is nearly done, but it is not done.
const NEARLY = 0.95;

export class Progress {
  #id = null;
  /** Records so far. */
  records = 0;
  /** 0 to 1, or null where nothing tells how much there is to do. */
  share = null;
  /** True where the share is reckoned from the size of the last backup. */
  reckoned = false;

  /** Learn from an answer of GET /backups. */
  take({ running, last_ready: last }) {
    if (running?.id !== this.#id) {
      this.#id = running?.id ?? null;
      this.records = 0;
      this.share = null;
    }
    if (!running) {
      return;
    }
    const { units, units_done: done, records } = running.progress;
    this.records = Math.max(this.records, records);
    this.reckoned = !(units > 1);
    const share = units > 1 ? done / units : this.#reckon(last?.progress.records);
    if (share !== null) {
      this.share = Math.max(this.share ?? 0, share);
    }
  }

  #reckon(lastRecords) {
    return lastRecords > 0 ? Math.min(this.records / lastRecords, NEARLY) : null;
  }
}
