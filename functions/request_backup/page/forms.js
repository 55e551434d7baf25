// Sentences, moments, numbers and sizes, as the reader's language writes them.

// What turns or isolates text (Unicode TR9). A name that holds such a character must not act beyond itself.
const STEERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

export class Forms {
  /** `words` is what `page/words.json` answers: words, and the locale whose forms go with them. */
  constructor(words) {
    this.words = words;
    const { locale } = words;
    this.number = new Intl.NumberFormat(locale);
    this.tenths = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false });
    this.percents = new Intl.NumberFormat(locale, { style: "percent" });
    this.day = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
    this.minute = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
    this.plurals = new Intl.PluralRules(locale);
  }

  /** The sentence under a dotted key, with its `{fields}` filled in. */
  say(key, fields = {}) {
    return this.#find(key).replace(/\{(\w+)\}/g, (_whole, name) => fields[name]);
  }

  /** What one of the API's problems is called here. */
  problem(slug) {
    return this.words.problems[slug] ?? this.words.problems.internal;
  }

  /** The sentence for so many: `key` has one for "one" and one for "other". */
  many(key, count, fields = {}) {
    const form = this.plurals.select(count) === "one" ? "one" : "other";
    return this.say(`${key}.${form}`, { count: this.number.format(count), ...fields });
  }

  /** `UTF-8`, with what it is good for where the name alone says nothing. */
  encoding(name) {
    return this.words.encodings[name] ?? name;
  }

  /** Text of the account inside a sentence: it keeps its own direction and changes no other's. */
  name(text) {
    return `\u2068${text.replace(STEERING, "")}\u2069`;
  }

  date(text) {
    return this.day.format(new Date(text));
  }

  moment(text) {
    return this.minute.format(new Date(text));
  }

  /** The name of a day of the week; 1 is Monday. */
  weekday(number) {
    return new Intl.DateTimeFormat(this.words.locale, { weekday: "long", timeZone: "UTC" }).format(Date.UTC(2024, 0, number));
  }

  count(number) {
    return this.number.format(number);
  }

  percent(share) {
    return this.percents.format(share);
  }

  /** `139.6 KB`, with 1 KB = 1024 bytes, as file managers count. */
  size(bytes) {
    const { byte, sizes } = this.words;
    let unit = 0;
    while (Math.round((bytes * 10) / 1024 ** unit) >= 10240 && unit < sizes.length - 1) {
      unit += 1;
    }
    const number = (unit === 0 ? this.number : this.tenths).format(bytes / 1024 ** unit);
    return this.say("size", { number, unit: bytes === 1 ? byte : sizes[unit] });
  }

  #find(key) {
    return key.split(".").reduce((found, step) => found?.[step], this.words);
  }
}
