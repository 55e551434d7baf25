/* One pass over an answer of DynamoDB's to Query: its records as lines of CSV and as elements of XML.
 *
 * What is written is byte for byte what wire.py, cells.py and backup_xml.py write, which say why. A page with
 * anything rare in it is declined, and they write it. forming.py, the only caller, has the same structs.
 * Nothing is allocated, and nothing kept between calls.
 */

#include <stdint.h>

#include "json_reader.h"

enum { FORMED = 0, TOO_SMALL = 1, DECLINED = 2 };
enum { MOST_FIELDS = 32, MOST_ATTRIBUTES = 64 };

typedef struct {
    int32_t field;   /* the attribute's place in Plan.fields */
    int32_t guarded; /* whether a spreadsheet might run it as a formula */
    Text opening, closing; /* tags of its element */
} Column;

typedef struct {
    int32_t fields_count, columns_count;
    int32_t key, created, status; /* places in `fields`; -1 where the table has none */
    int32_t wide_signs;           /* whether the file can hold the full-width signs of a formula */
    int32_t with_elements;
    int32_t longest; /* bytes of a cell; a page with a longer one is declined */
    Text old;        /* what a moment of creation must come before, to be surely before the snapshot */
    const Text *fields;
    const Column *columns;
} Plan;

typedef struct {
    byte *at;
    int64_t room, used;
} Buffer;

typedef struct {
    Buffer lines, elements, keys, created, status, scratch;
    uint32_t *ends; /* of each record's line in `lines` */
    byte *guards;   /* of each record, how many cells got an apostrophe */
    int64_t records_room, records;
    int64_t young; /* how many of them may have been created after the snapshot */
} Page;

/* The text without escapes, in `scratch`, which has room for all of the page's. */
static int unescape(Value *value, Buffer *scratch) {
    byte *begin = scratch->at + scratch->used, *to = begin;
    const byte *at = value->at, *end = at + value->length;
    if (scratch->room - scratch->used < value->length) return 0;
    int32_t has = value->has & ~BACKSLASH;
    while (at < end) {
        byte c = *at++;
        if (c == '\\') {
            switch (c = *at++) {
            case '"': has |= QUOTE; break;
            case '/': break;
            case 'n': c = '\n', has |= BREAK; break;
            case 'r': c = '\r', has |= BREAK | MARKUP; break;
            case 't': c = '\t'; break;
            case '\\':
                if (end - at >= 2 && at[0] == 'u' && at[1] == '{') return 0; /* looks like our own escape */
                break;
            default: return 0;
            }
        }
        *to++ = c;
    }
    *value = (Value){begin, to - begin, has};
    scratch->used += to - begin;
    return 1;
}

static void put(Buffer *to, const byte *at, int64_t length) {
    __builtin_memcpy(to->at + to->used, at, length);
    to->used += length;
}

static void put_one(Buffer *to, byte c) { to->at[to->used++] = c; }

static int has_room(const Buffer *of, int64_t length) { return of->room - of->used >= length; }

static int begins_a_formula(Value cell, int wide_signs) {
    const byte *at = cell.at, *end = at + cell.length;
    while (at < end && *at == '\'') at++;
    if (at == end) return 0;
    switch (*at) {
    case '=': case '+': case '-': case '@': case '\t': case '\r': case '\n': return 1;
    case 0xEF: /* full-width, U+FF0B and so on */
        if (!wide_signs || end - at < 3 || at[1] != 0xBC) return 0;
        return at[2] == 0x9D || at[2] == 0x8B || at[2] == 0x8D || at[2] == 0xA0;
    default: return 0;
    }
}

/* One cell; returns whether it got an apostrophe. There is room for twice its length and three. */
static int put_cell(Buffer *to, Value cell, int may_be_guarded, int wide_signs) {
    int guard = may_be_guarded && begins_a_formula(cell, wide_signs);
    int quote = cell.has & (QUOTE | COMMA | BREAK);
    if (quote) put_one(to, '"');
    if (guard) put_one(to, '\'');
    if (cell.has & QUOTE) {
        for (int64_t n = 0; n < cell.length; n++) {
            if (cell.at[n] == '"') put_one(to, '"');
            put_one(to, cell.at[n]);
        }
    } else {
        put(to, cell.at, cell.length);
    }
    if (quote) put_one(to, '"');
    return guard;
}

static void put_marked_up(Buffer *to, Value cell) {
    if (!(cell.has & MARKUP)) {
        put(to, cell.at, cell.length);
        return;
    }
    for (int64_t n = 0; n < cell.length; n++) {
        switch (cell.at[n]) {
        case '&': put(to, (const byte *)"&amp;", 5); break;
        case '<': put(to, (const byte *)"&lt;", 4); break;
        case '>': put(to, (const byte *)"&gt;", 4); break;
        case '\r': put(to, (const byte *)"&#13;", 5); break;
        default: put_one(to, cell.at[n]);
        }
    }
}

/* Values that are taken apart by NUL; a missing one is U+0001. */
static int put_value(Buffer *to, Value value, int64_t number) {
    if (!has_room(to, 1 + (value.length < 0 ? 1 : value.length))) return 0;
    if (number) put_one(to, 0);
    if (value.length < 0) put_one(to, 1);
    else put(to, value.at, value.length);
    return 1;
}

/* Whether it is a moment, to the second at least, that sorts before the old one, whose form is its own. */
static int is_old(Value created, Text old) {
    if (created.length < 0) return 1;
    if (created.length < old.length) return 0;
    int before = 0;
    for (int64_t n = 0; n < old.length; n++) {
        byte c = created.at[n], o = old.at[n];
        int digits = (byte)(c - '0') < 10 && (byte)(o - '0') < 10;
        if (!digits && c != o) return 0;
        if (!before && c != o) before = c < o ? 1 : -1;
    }
    return before > 0;
}

static int form_record(const Plan *plan, Value *values, Page *page) {
    int64_t number = page->records;
    page->scratch.used = 0;
    for (int32_t field = 0; field < plan->fields_count; field++) {
        Value *value = &values[field];
        if (value->length < 0) continue;
        if (value->has & BACKSLASH && !unescape(value, &page->scratch)) return DECLINED;
        if (value->has & HIGH && !utf8(value->at, value->length)) return DECLINED;
        if (value->length > plan->longest) return DECLINED;
    }
    if (values[plan->key].length < 0) return DECLINED;
    if (number == page->records_room || !put_value(&page->keys, values[plan->key], number)) return TOO_SMALL;
    if (plan->created >= 0) {
        Value created = values[plan->created];
        if (is_old(created, plan->old)) created.length = -1;
        else page->young++;
        if (!put_value(&page->created, created, number)) return TOO_SMALL;
    }
    if (plan->status >= 0 && !put_value(&page->status, values[plan->status], number)) return TOO_SMALL;

    int guards = 0;
    for (int32_t n = 0; n < plan->columns_count; n++) {
        const Column *column = &plan->columns[n];
        Value cell = values[column->field];
        if (!has_room(&page->lines, 2 * cell.length + 8)) return TOO_SMALL;
        if (n) put_one(&page->lines, ',');
        if (cell.length > 0) guards += put_cell(&page->lines, cell, column->guarded, plan->wide_signs);
    }
    put(&page->lines, (const byte *)"\r\n", 2);
    page->ends[number] = (uint32_t)page->lines.used;
    page->guards[number] = (byte)guards;

    if (plan->with_elements) {
        Buffer *to = &page->elements;
        if (!has_room(to, 1)) return TOO_SMALL;
        if (number) put_one(to, 0);
        for (int32_t n = 0; n < plan->columns_count; n++) {
            const Column *column = &plan->columns[n];
            Value cell = values[column->field];
            if (cell.length < 0) continue;
            int64_t most = column->opening.length + 5 * cell.length + column->closing.length;
            if (!has_room(to, most)) return TOO_SMALL;
            put(to, column->opening.at, column->opening.length);
            put_marked_up(to, cell);
            put(to, column->closing.at, column->closing.length);
        }
    }
    page->records++;
    return FORMED;
}

static int items(const Plan *plan, Reader *in, Page *page) {
    int32_t order[MOST_ATTRIBUTES]; /* at which place of the record before which field stood */
    for (int n = 0; n < MOST_ATTRIBUTES; n++) order[n] = -1;
    if (!take(in, '[')) return DECLINED;
    if (take(in, ']')) return FORMED;
    do {
        Value values[MOST_FIELDS];
        for (int n = 0; n < MOST_FIELDS; n++) values[n] = (Value){0, -1, 0};
        if (!take(in, '{')) return DECLINED;
        int place = 0;
        do {
            Value name;
            if (place == MOST_ATTRIBUTES || !name_of(in, &name) || !take(in, ':')) return DECLINED;
            int32_t field = order[place];
            if (field < 0 || !same(plan->fields[field], name))
                for (field = plan->fields_count - 1; field >= 0; field--)
                    if (same(plan->fields[field], name)) break;
            order[place++] = field;
            if (field < 0) {
                if (!skip(in, 0)) return DECLINED;
                continue;
            }
            if (values[field].length >= 0 || !attribute(in, &values[field])) return DECLINED;
        } while (take(in, ','));
        if (!take(in, '}')) return DECLINED;
        int outcome = form_record(plan, values, page);
        if (outcome != FORMED) return outcome;
    } while (take(in, ','));
    return take(in, ']') ? FORMED : DECLINED;
}

int32_t form_page(const byte *body, int64_t length, const Plan *plan, Page *page) {
    static const Text ITEMS = {(const byte *)"Items", 5};
    Reader in = {body, body + length};
    int found = 0;
    page->records = page->young = page->lines.used = page->elements.used = 0;
    page->keys.used = page->created.used = page->status.used = 0;
    if (plan->fields_count > MOST_FIELDS || !take(&in, '{')) return DECLINED;
    do {
        Value name;
        if (!name_of(&in, &name) || !take(&in, ':')) return DECLINED;
        if (!same(ITEMS, name)) {
            if (!skip(&in, 0)) return DECLINED;
            continue;
        }
        if (found++) return DECLINED;
        int outcome = items(plan, &in, page);
        if (outcome != FORMED) return outcome;
    } while (take(&in, ','));
    return found && take(&in, '}') && peek(&in) == 0 && in.at == in.end ? FORMED : DECLINED;
}
