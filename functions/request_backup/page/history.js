// Past backups, newest first, with what can still be done with each.

import { html, nothing } from "./lit-html.js";

const COLUMNS = ["requested", "requested_by", "state", "records", "size"];

export function history(state, forms, actions) {
  const { overview, older, next, busy } = state;
  const known = [...overview.history, ...older.map(aged)];
  const target = state.pointed?.backup;
  const listed = new Map(known.map((backup) => [backup.id, backup]));
  if (target && target.id !== overview.running?.id && !listed.has(target.id)) {
    listed.set(target.id, target); // the address points further back than what is shown
  }
  const backups = [...listed.values()];
  if (backups.length === 0) {
    return nothing;
  }
  return html`<section class="card" aria-labelledby="history">
    <h2 id="history">${forms.say("history.title")}</h2>
    <table role="table">
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((name) => html`<th role="columnheader">${forms.say(`facts.${name}`)}</th>`)}
          <th role="columnheader"><span class="said">${forms.say("history.actions")}</span></th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${backups.map((backup) => row(backup, backup.id === target?.id, state, forms, actions))}
      </tbody>
    </table>
    ${next
      ? html`<p><button aria-disabled=${!!busy} @click=${actions.older}>${forms.say("actions.older")}</button></p>`
      : nothing}
  </section>`;
}

/** Older pages are not asked for again: what expires in them is told by the clock here. */
function aged(backup) {
  const expired = backup.state === "ready" && Date.parse(backup.expires_at) <= Date.now();
  return expired ? { ...backup, state: "expired" } : backup;
}

function row(backup, isTarget, { overview, busy }, forms, actions) {
  const moment = forms.moment(backup.requested_at);
  const cells = [
    moment,
    html`${forms.name(backup.requested_by.name)}
      ${backup.scheduled ? html`<span class="small">${forms.say("history.scheduled")}</span>` : nothing}`,
    html`<span class="state ${backup.state}">${forms.say(`states.${backup.state}`)}</span>
      ${remarks(backup, forms).map((remark) => html`<span class="small">${remark}</span>`)}`,
    forms.count(backup.progress.records),
    backup.file ? forms.size(backup.file.bytes) : "–",
  ];
  const button = (what, act) => {
    const label = forms.say(`history.${what}`);
    return html`<button class="quiet" aria-disabled=${!!busy} aria-label="${label}: ${moment}" @click=${act}>${label}</button>`;
  };
  return html`<tr role="row" aria-current=${isTarget ? "true" : nothing}>
    ${cells.map((cell, column) => html`<td role="cell" data-label=${forms.say(`facts.${COLUMNS[column]}`)}>${cell}</td>`)}
    <td role="cell" class="buttons">
      ${backup.state === "ready" && overview.may_manage
        ? [button("download", () => actions.download(backup)), button("delete", () => actions.ask("delete", backup))]
        : nothing}
    </td>
  </tr>`;
}

function remarks(backup, forms) {
  const said = [];
  const name = forms.name(backup.ended_by?.name ?? "");
  if (backup.failure) {
    said.push(forms.say(`reasons.${backup.failure.reason}`));
  }
  if (backup.state === "ready") {
    said.push(forms.say("history.until", { moment: forms.moment(backup.expires_at) }));
  }
  if (backup.state === "expired") {
    said.push(forms.date(backup.expires_at));
  }
  const end = backup.cancelled_at ?? backup.deleted_at;
  if (end) {
    said.push(forms.say(backup.ended_by ? "history.by" : "history.not_kept", { name, moment: forms.moment(end) }));
  }
  if (backup.mail === "not_sent") {
    said.push(forms.say("history.not_mailed"));
  }
  return said;
}
