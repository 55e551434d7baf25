// Choosing when backups are made by themselves.

import { html, nothing } from "./lit-html.js";

const EVERY = ["daily", "weekly", "monthly"];

export function schedule({ overview, busy }, forms, actions) {
  const say = (key) => forms.say(`schedule.${key}`);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const now = overview.schedule ?? { every: "weekly", at: "02:00", zone };
  const zones = [...new Set([now.zone, zone, "UTC", ...Intl.supportedValuesOf("timeZone")])];
  const options = (values, chosen, text) =>
    values.map((value) => html`<option value=${value} ?selected=${value === chosen}>${text(value)}</option>`);
  const save = (event) => {
    event.preventDefault();
    const { every, at, zone, weekday, day, keep } = Object.fromEntries(new FormData(event.target));
    const when = { daily: {}, weekly: { weekday: +weekday }, monthly: { day: +day } }[every];
    actions.schedule("PUT", { every, at, zone, ...when, keep: keep ? +keep : null });
  };
  const vary = ({ currentTarget: form }) => {
    form.querySelector(".weekly").hidden = form.elements.every.value !== "weekly";
    form.querySelector(".monthly").hidden = form.elements.every.value !== "monthly";
  };
  return html`<form @submit=${save} @change=${vary}>
    <p>${forms.say("settings.schedule")}</p>
    <label>${say("every")}<select name="every">${options(EVERY, now.every, say)}</select></label>
    <label class="weekly" ?hidden=${now.every !== "weekly"}>${say("weekday")}
      <select name="weekday">${options([1, 2, 3, 4, 5, 6, 7], now.weekday ?? 1, (day) => forms.weekday(day))}</select>
    </label>
    <label class="monthly" ?hidden=${now.every !== "monthly"}>${say("day")}
      <input name="day" type="number" required min="1" max="31" value=${now.day ?? 1} aria-describedby="short" />
      <span class="small" id="short">${say("short")}</span>
    </label>
    <label>${say("at")}<input name="at" type="time" required value=${now.at} /></label>
    <label>${say("zone")}<select name="zone">${options(zones, now.zone, (name) => name.replaceAll("_", " "))}</select></label>
    <label>${say("keep")}
      <input name="keep" type="number" min="1" max="100" value=${now.keep ?? nothing} aria-describedby="keep-hint" />
      <span class="small" id="keep-hint">${say("keep_hint")}</span>
    </label>
    <p class="small">${say("hint")}</p>
    <p class="buttons">
      <button class="main" aria-disabled=${!!busy}>${say("save")}</button>
      ${overview.schedule
        ? html`<button type="button" class="danger" aria-disabled=${!!busy} @click=${() => actions.schedule("DELETE")}>${say("off")}</button>`
        : nothing}
      <button type="button" @click=${actions.leave}>${say("leave")}</button>
    </p>
  </form>`;
}
