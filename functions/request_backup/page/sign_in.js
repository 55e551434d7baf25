// Sign-in through Cognito's hosted page: authorization code with PKCE (RFC 7636, RFC 9700).
// Tokens stay in memory; after a reload the hosted page, which remembers its user, gives new ones.

import { SessionEnded, Unreachable } from "./api.js";
import { claimsOf } from "./claims.js";

const EARLY = 60_000; // milliseconds before its end that a token is renewed
const KEY = "account-backups.sign-in."; // of what waits in sessionStorage while the user is at the hosted page

export class SignIn {
  #host;
  #client;
  #tokens = null;
  #renewal = null;

  constructor(host, client) {
    this.#host = host;
    this.#client = client;
  }

  /** This page's address, as the app client knows it. */
  get #here() {
    return location.origin + location.pathname;
  }

  /** Come back from the hosted page, where the address says so. True where somebody is now signed in. */
  async finish() {
    const query = new URLSearchParams(location.search);
    const state = query.get("state");
    if (!state || !(query.has("code") || query.has("error"))) {
      return false;
    }
    const waiting = JSON.parse(sessionStorage.getItem(KEY + state) ?? "null");
    sessionStorage.removeItem(KEY + state);
    history.replaceState(null, "", this.#here + (waiting?.target ?? ""));
    if (!waiting || !query.has("code")) {
      throw new SessionEnded();
    }
    await this.#ask({
      grant_type: "authorization_code",
      code: query.get("code"),
      code_verifier: waiting.verifier,
      redirect_uri: this.#here,
    });
    return true;
  }

  /** Go to the hosted page; it leads back to where the reader is now. */
  async begin() {
    const verifier = random();
    const state = random();
    const target = location.search + location.hash;
    sessionStorage.setItem(KEY + state, JSON.stringify({ verifier, target }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    location.assign(
      `${this.#host}/oauth2/authorize?` +
        new URLSearchParams({
          response_type: "code",
          client_id: this.#client,
          redirect_uri: this.#here,
          scope: "openid email profile",
          state,
          code_challenge_method: "S256",
          code_challenge: base64url(new Uint8Array(digest)),
        }),
    );
  }

  end() {
    this.#tokens = null;
    location.assign(
      `${this.#host}/logout?` + new URLSearchParams({ client_id: this.#client, logout_uri: this.#here }),
    );
  }

  /** An ID token that is still good for a minute. Throws SessionEnded, Unreachable. */
  async token({ fresh = false } = {}) {
    if (!this.#tokens) {
      throw new SessionEnded();
    }
    if (fresh || this.#tokens.ends - Date.now() < EARLY) {
      // Several calls at once wait for one renewal.
      this.#renewal ??= this.#ask({ grant_type: "refresh_token", refresh_token: this.#tokens.refresh }).finally(
        () => (this.#renewal = null),
      );
      await this.#renewal;
    }
    return this.#tokens.id;
  }

  /** What the token says of its user. */
  get claims() {
    return this.#tokens ? claimsOf(this.#tokens.id) : {};
  }

  async #ask(grant) {
    let answer;
    try {
      answer = await fetch(`${this.#host}/oauth2/token`, {
        method: "POST",
        body: new URLSearchParams({ client_id: this.#client, ...grant }),
        credentials: "omit",
        referrerPolicy: "no-referrer",
      });
    } catch (error) {
      throw new Unreachable(error.name);
    }
    if (answer.status >= 500 || answer.status === 429) {
      throw new Unreachable(String(answer.status));
    }
    if (!answer.ok) {
      this.#tokens = null;
      throw new SessionEnded();
    }
    const given = await answer.json();
    this.#tokens = {
      id: given.id_token,
      refresh: given.refresh_token ?? this.#tokens?.refresh,
      ends: Date.now() + given.expires_in * 1000,
    };
  }
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
