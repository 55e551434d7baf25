// The service's API as the page uses it: JSON in and out, refusals as problem details (RFC 9457).

/** The service, or the way to it, does not answer. It may later. */
export class Unreachable extends Error {}

/** Nobody is signed in any more. */
export class SessionEnded extends Error {}

/** The service says no. `slug` is the end of the problem's type, such as `backup-running`. */
export class Problem extends Error {
  constructor({ type = "" }) {
    super(type);
    this.slug = type.split(":").at(-1);
  }
}

export class Api {
  /** `token({ fresh })` yields an ID token; `fresh` asks for one that was not handed out before. */
  constructor(address, token) {
    this.address = address.replace(/\/*$/, "/");
    this.token = token;
  }

  overview(before) {
    return this.call("GET", before ? `backups?before=${encodeURIComponent(before)}` : "backups");
  }

  backup(id) {
    return this.call("GET", `backups/${encodeURIComponent(id)}`);
  }

  request() {
    return this.call("POST", "backups", {});
  }

  link(id) {
    return this.call("POST", `backups/${encodeURIComponent(id)}/download-url`);
  }

  /** Cancel what runs (`expected` is "running"), delete what is ready ("ready"). */
  end(id, expected) {
    return this.call("DELETE", `backups/${encodeURIComponent(id)}?expect=${expected}`);
  }

  choose(encoding) {
    return this.call("PUT", "settings", { encoding });
  }

  /** Yields the answer's content. Throws SessionEnded, Unreachable, Problem. */
  async call(method, path, body) {
    let answer = await this.#send(method, path, body, await this.token({ fresh: false }));
    if (answer.status === 401) {
      answer = await this.#send(method, path, body, await this.token({ fresh: true }));
    }
    if (answer.ok) {
      return this.#content(answer);
    }
    if (answer.status === 401) {
      throw new SessionEnded();
    }
    if (answer.status === 429 || answer.status >= 502) {
      throw new Unreachable(String(answer.status));
    }
    throw new Problem(await this.#content(answer));
  }

  async #send(method, path, body, token) {
    const headers = { Authorization: token };
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    try {
      return await fetch(this.address + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: AbortSignal.timeout(30_000), // API Gateway gives up after 29 seconds
      });
    } catch (error) {
      throw new Unreachable(error.name);
    }
  }

  async #content(answer) {
    try {
      return await answer.json();
    } catch (error) {
      throw new Unreachable(error.name); // the connection broke in the middle
    }
  }
}

/** The words of the page, or of a part of it, in the language of `locale`, else the browser's, else English. */
export async function words(address, locale, part = "words") {
  const query = locale ? `?locale=${encodeURIComponent(locale)}` : "";
  try {
    return await (await fetch(`${address}page/${part}.json${query}`, { credentials: "omit" })).json();
  } catch (error) {
    throw new Unreachable(error.name);
  }
}
