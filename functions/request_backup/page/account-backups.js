// <account-backups api="https://…/v1" backup="01J…">: the Backups tab, for any settings page.
//
//   element.token = async ({ fresh }) => "an ID token"; throw to say that nobody is signed in any more.
//   `backup` (may be left out) points at one backup, as the links in e-mails do.
//   Events: "session-ended"; "sign-in" when its user asks for that; "words" (detail: Forms) and "wordless".

import { render } from "./lit-html.js";
import { Api, Problem, SessionEnded, Unreachable, words } from "./api.js";
import { claimsOf } from "./claims.js";
import { Forms } from "./forms.js";
import { endOf } from "./states.js";
import { tab } from "./tab.js";
import { Watch } from "./watch.js";

const STYLE = new URL("account-backups.css", import.meta.url).href;
const ANNOUNCED_STEP = 0.25; // a screen reader hears each quarter, not each record

class AccountBackups extends HTMLElement {
  #give = null;
  #root = this.attachShadow({ mode: "open" });
  #watch = new Watch(() => this.#refresh());
  #api;
  #forms = null;
  #progress = null; // of what runs
  #asked = 0;
  #announced = "";
  #state = {
    overview: null, // as GET /backups answers
    older: [], // further pages of the history
    next: null, // the query for the page after those
    trouble: null, // "unreachable", "ended", or a refusal's slug: why nothing fresh is shown
    heardAt: null,
    busy: null, // what the user waits for
    notice: null, // { kind: "done" | "problem", text }: how that went
    asking: null, // { what: "cancel" | "delete", backup }: an open question
    editing: null, // the part that changes a setting
    parts: {}, // of the tab, by name, that were wanted so far
    trail: null, // { entries, next } where it is shown
    pointed: null, // { id, backup }: what the address names; backup null where there is none
    said: "", // to screen readers
  };

  set token(give) {
    this.#give = give;
    this.#begin();
  }

  connectedCallback() {
    if (Object.hasOwn(this, "token")) {
      // It was set before this module came, and hides the setter.
      const { token } = this;
      delete this.token;
      this.token = token;
    }
    this.#begin();
  }

  #begin() {
    if (this.isConnected && this.#give) {
      this.#api = new Api(this.getAttribute("api") ?? ".", (wish) => this.#token(wish));
      this.#watch.start();
      this.#refresh();
    }
  }

  disconnectedCallback() {
    this.#watch.stop();
  }

  async #token(wish) {
    try {
      return await this.#give(wish);
    } catch (error) {
      throw error instanceof Unreachable ? error : new SessionEnded();
    }
  }

  /** Ask for everything that is shown. Answers that come after a later one are thrown away. */
  async #refresh() {
    const asked = ++this.#asked;
    try {
      await this.#learnWords();
      const overview = await this.#api.overview();
      if (overview.running) {
        const { Progress } = await this.#part("running");
        this.#progress ??= new Progress();
      }
      if (asked !== this.#asked) {
        return;
      }
      this.#take(overview);
      await this.#findPointed();
      this.#show({ trouble: null, heardAt: new Date().toISOString() });
    } catch (error) {
      if (asked === this.#asked) {
        this.#fail(error);
      }
    }
    const { trouble, overview } = this.#state;
    if (trouble !== "ended") {
      const ready = overview?.history.filter(({ state }) => state === "ready") ?? [];
      const expiry = Math.min(...ready.map((backup) => Date.parse(backup.expires_at)));
      this.#watch.again(trouble === "unreachable" || Boolean(overview?.running), expiry);
    }
  }

  async #learnWords() {
    if (this.#forms) {
      return;
    }
    const { locale } = claimsOf(await this.#token({ fresh: false }));
    const learnt = await words(this.#api.address, locale);
    this.#forms = new Forms(learnt);
    this.lang = learnt.language;
    this.dispatchEvent(new CustomEvent("words", { detail: this.#forms }));
  }

  #take(overview) {
    const before = this.#state.overview;
    this.#progress?.take(overview);
    this.#state.overview = overview;
    if (this.#state.older.length === 0) {
      this.#state.next = overview.next;
    }
    this.#announce(before, overview);
  }

  #announce(before, overview) {
    const forms = this.#forms;
    const { running } = overview;
    let said = "";
    if (running) {
      const share = this.#progress.share ?? 0;
      const step = Math.floor(share / ANNOUNCED_STEP) * ANNOUNCED_STEP;
      said = forms.say(`state.${running.state}`) + (step ? ` ${forms.percent(step)}` : "");
    } else if (before?.running) {
      const ended = overview.history.find((backup) => backup.id === before.running.id);
      said = ended ? endOf(ended, forms) : "";
    }
    if (said && said !== this.#announced) {
      this.#announced = said;
      this.#state.said = said;
    }
  }

  /** The backup that the address points at, wherever in the history it is. */
  async #findPointed() {
    const id = this.getAttribute("backup");
    if (!id || (this.#state.pointed && this.#state.pointed.backup === null)) {
      return;
    }
    const { overview, older } = this.#state;
    const listed = [overview.running, ...overview.history, ...older].find((backup) => backup?.id === id);
    try {
      const known = listed ?? (/^[0-9A-Z]{26}$/.test(id) ? await this.#api.backup(id) : null);
      this.#state.pointed = { id, backup: known };
    } catch (error) {
      if (!(error instanceof Problem)) {
        throw error;
      }
      this.#state.pointed = { id, backup: null };
    }
  }

  #fail(error) {
    if (error instanceof SessionEnded) {
      this.#watch.stop();
      this.#show({ trouble: "ended", asking: null });
      this.dispatchEvent(new CustomEvent("session-ended"));
    } else if (error instanceof Unreachable) {
      this.#show({ trouble: "unreachable" });
    } else if (error instanceof Problem) {
      this.#show({ trouble: error.slug });
    } else {
      throw error;
    }
  }

  // --- what the user can do; each ends in one notice ---

  async #do(busy, work) {
    if (this.#state.busy) {
      return;
    }
    this.#show({ busy, notice: null, asking: null });
    let notice = null;
    try {
      const done = await work();
      notice = done ? { kind: "done", text: done } : null;
    } catch (error) {
      notice = this.#noticeOf(error);
    }
    this.#show({ busy: null, notice });
    if (this.#state.trouble !== "ended") {
      await this.#refresh();
      if (this.#state.trail && busy !== "trail") {
        await this.#readTrail(); // what was just done is in it
      }
    }
  }

  #noticeOf(error) {
    if (error instanceof SessionEnded) {
      this.#fail(error);
      return null;
    }
    if (error instanceof Unreachable || error instanceof Problem) {
      return { kind: "problem", text: this.#forms.problem(error.slug ?? "unreachable") };
    }
    throw error;
  }

  #actions = {
    request: () => this.#do("request", () => this.#api.request().then(() => null)),
    download: (backup) =>
      this.#do(`download ${backup.id}`, async () => {
        const { url } = await this.#api.link(backup.id);
        location.assign(url); // an attachment: the page stays
        return this.#forms.say("done.download");
      }),
    ask: async (what, backup) => {
      try {
        await this.#part("question");
        this.#show({ asking: { what, backup } });
      } catch (error) {
        this.#show({ notice: this.#noticeOf(error) });
      }
    },
    keep: () => this.#show({ asking: null }),
    cancel: (backup) =>
      this.#do("cancel", async () => {
        await this.#api.end(backup.id, "running");
        return this.#forms.say("done.cancel");
      }),
    delete: (backup) =>
      this.#do("delete", async () => {
        const deleted = await this.#api.end(backup.id, "ready");
        const older = this.#state.older.map((other) => (other.id === deleted.id ? deleted : other));
        this.#show({ older });
        return this.#forms.say("done.delete");
      }),
    edit: () =>
      this.#do("edit", async () => {
        await this.#part("chooser");
        this.#show({ editing: "chooser" });
      }),
    plan: () =>
      this.#do("edit", async () => {
        await this.#part("schedule");
        this.#show({ editing: "schedule" });
      }),
    schedule: (method, rhythm) =>
      this.#do("schedule", async () => {
        await this.#api.call(method, "schedule", rhythm);
        this.#show({ editing: null });
        return this.#forms.say(`schedule.${method}`);
      }),
    leave: () => this.#show({ editing: null }),
    choose: (encoding) =>
      this.#do("choose", async () => {
        await this.#api.choose(encoding);
        this.#show({ editing: null });
        return this.#forms.say("done.choose");
      }),
    older: () =>
      this.#do("older", async () => {
        const page = await this.#api.overview(new URLSearchParams(this.#state.next).get("before"));
        this.#show({ older: [...this.#state.older, ...page.history], next: page.next });
      }),
    trail: () => (this.#state.trail ? this.#show({ trail: null }) : this.#readTrail()),
    earlier: () => this.#readTrail(this.#state.trail),
    retry: () => this.#refresh(),
    signIn: () => this.dispatchEvent(new CustomEvent("sign-in")),
  };

  /** Show the trail, or more of it than what is `shown`. */
  #readTrail(shown) {
    return this.#do("trail", async () => {
      const { read } = await this.#part("trail");
      this.#show({ trail: await read(this.#api, shown) });
    });
  }

  /** A part of the tab that is not always wanted, with its words, which go by the same name: fetched once. */
  async #part(name) {
    const { parts } = this.#state;
    if (!parts[name]) {
      Object.assign(this.#forms.words, await words(this.#api.address, this.lang, name));
      parts[name] = await import(`./${name}.js`).catch(() => {
        throw new Unreachable(name);
      });
    }
    return parts[name];
  }

  // --- what is shown ---

  #show(changes) {
    Object.assign(this.#state, changes);
    if (!this.#forms) {
      // No words could be fetched: whoever embeds the element says it in its own.
      this.dispatchEvent(new CustomEvent("wordless"));
      return;
    }
    const focused = this.#root.activeElement;
    render(tab(this.#state, this.#progress, this.#forms, this.#actions, STYLE), this.#root);
    this.#openQuestion();
    if (focused && !focused.isConnected) {
      // What had the focus is gone: the reader goes on where it was, not at the top of the page.
      this.#root.querySelector("#state")?.focus();
    }
  }

  #openQuestion() {
    const dialog = this.#root.querySelector("dialog");
    if (this.#state.asking && !dialog.open) {
      dialog.showModal();
    } else if (!this.#state.asking && dialog?.open) {
      dialog.close();
    }
  }
}

customElements.define("account-backups", AccountBackups);
