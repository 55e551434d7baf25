// The audit trail: who did what with the account's backups, newest first.

import { html, nothing } from "./lit-html.js";

// What the service also does without anybody, by the name of its sentence then.
const BY_ITSELF = { deleted: "not_kept", schedule_changed: "schedule_ended" };

/** The trail, { entries, next }: its first page, or one more behind what is `shown`. */
export async function read(api, shown) {
  const { entries, next } = await api.call("GET", `audit${shown?.next ?? ""}`);
  return { entries: [...(shown?.entries ?? []), ...entries], next };
}

export function trail({ trail: { entries, next }, busy }, forms, actions) {
  if (entries.length === 0) {
    return html`<p>${forms.say("trail.nothing")}</p>`;
  }
  return html`<p class="small">${forms.say("trail.hint")}</p>
    <ul class="trail" aria-labelledby="trail">
      ${entries.map(
        (entry) => html`<li>
          <time class="small" datetime=${entry.at}>${forms.moment(entry.at)}</time>
          ${sentence(entry, forms)}
        </li>`,
      )}
    </ul>
    ${next
      ? html`<p><button aria-disabled=${!!busy} @click=${actions.earlier}>${forms.say("trail.earlier")}</button></p>`
      : nothing}`;
}

function sentence({ event, by, backup, link, expires_at: expires, reason, encoding }, forms) {
  const until = link?.ends_at ?? expires;
  const key = link ? `link_${link.way}` : by || !BY_ITSELF[event] ? event : BY_ITSELF[event];
  return forms.say(`trail.${key}`, {
    name: forms.name(by?.name ?? ""),
    backup: backup ? forms.moment(backup.requested_at) : "",
    until: until ? forms.moment(until) : "",
    reason: reason ? forms.say(`reasons.${reason}`) : "",
    encoding: encoding ? forms.encoding(encoding) : "",
  });
}
