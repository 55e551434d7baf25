/* JSON (RFC 8259) read where it lies: texts stay escaped, numbers stay text; what is not JSON is noticed. */

#ifndef JSON_READER_H
#define JSON_READER_H

#include <stdint.h>

typedef uint8_t byte;

typedef struct {
    const byte *at;
    int64_t length;
} Text;

/* What a text has in it. A BREAK is CR or LF, MARKUP what XML escapes, HIGH what is not ASCII. */
enum { QUOTE = 1, BACKSLASH = 2, COMMA = 4, MARKUP = 8, CONTROL = 16, BREAK = 32, HIGH = 64 };

static const byte CLASSES[256] = {
    [0 ... 0x1F] = CONTROL, ['"'] = QUOTE,   ['\\'] = BACKSLASH, [','] = COMMA,
    ['&'] = MARKUP,         ['<'] = MARKUP,  ['>'] = MARKUP,     [0x80 ... 0xFF] = HIGH,
};

typedef struct {
    const byte *at;
    int64_t length; /* -1: the record has no value */
    int32_t has;
} Value;

typedef struct {
    const byte *at, *end;
} Reader;

enum { MOST_DEPTH = 64 };

static int blank(byte c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

/* The next byte that is no blank, left where it is; 0 at the end. */
static byte peek(Reader *in) {
    while (in->at < in->end && blank(*in->at)) in->at++;
    return in->at < in->end ? *in->at : 0;
}

static int take(Reader *in, byte c) {
    if (peek(in) != c) return 0;
    in->at++;
    return 1;
}

/* From a backslash to the end of the escape. */
static int escape(const byte **place, const byte *end) {
    const byte *at = *place + 1;
    if (at == end) return 0;
    switch (*at) {
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': break;
    case 'u':
        if (end - at < 5) return 0;
        for (int n = 0; n < 4; n++) {
            byte c = *++at;
            if ((byte)(c - '0') >= 10 && (byte)((c | 0x20) - 'a') >= 6) return 0;
        }
        break;
    default: return 0;
    }
    *place = at;
    return 1;
}

/* What stands between the quotes, still escaped. */
static int string(Reader *in, Value *value) {
    if (!take(in, '"')) return 0;
    const byte *at = in->at, *end = in->end;
    int32_t has = 0;
    for (;; at++) {
        if (at == end) return 0;
        byte class = CLASSES[*at];
        if (class == QUOTE) break;
        has |= class;
        if (class == BACKSLASH && !escape(&at, end)) return 0;
    }
    if (has & CONTROL) return 0;
    *value = (Value){in->at, at - in->at, has};
    in->at = at + 1;
    return 1;
}

/* Whether all of it is well-formed, and none of it U+FFFE or U+FFFF, which XML cannot hold. */
static int utf8(const byte *at, int64_t length) {
    const byte *end = at + length;
    while (at < end) {
        byte c = *at++;
        if (c < 0x80) continue;
        int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
        if (c < 0xC2 || c > 0xF4 || end - at < more) return 0;
        byte second = *at;
        if (c == 0xE0 && second < 0xA0) return 0;
        if (c == 0xED && second > 0x9F) return 0;
        if (c == 0xF0 && second < 0x90) return 0;
        if (c == 0xF4 && second > 0x8F) return 0;
        if (c == 0xEF && second == 0xBF && at[1] >= 0xBE) return 0;
        for (; more; more--)
            if ((*at++ & 0xC0) != 0x80) return 0;
    }
    return 1;
}

/* Passes a text that is not wanted. */
static int ignored(Reader *in) {
    Value value;
    return string(in, &value) && (!(value.has & HIGH) || utf8(value.at, value.length));
}

/* A name; one with escapes is rare. */
static int name_of(Reader *in, Value *name) {
    if (!string(in, name) || name->has & BACKSLASH) return 0;
    return !(name->has & HIGH) || utf8(name->at, name->length);
}

static int digits(Reader *in) {
    const byte *begin = in->at;
    while (in->at < in->end && (byte)(*in->at - '0') < 10) in->at++;
    return in->at > begin;
}

static int next_is(Reader *in, byte one, byte other) {
    if (in->at == in->end || (*in->at != one && *in->at != other)) return 0;
    in->at++;
    return 1;
}

static int number(Reader *in) {
    next_is(in, '-', '-');
    if (!next_is(in, '0', '0') && !digits(in)) return 0;
    if (next_is(in, '.', '.') && !digits(in)) return 0;
    if (!next_is(in, 'e', 'E')) return 1;
    next_is(in, '+', '-');
    return digits(in);
}

static int word(Reader *in, const char *word) {
    for (; *word; word++)
        if (!next_is(in, (byte)*word, (byte)*word)) return 0;
    return 1;
}

/* Passes one value of any kind. */
static int skip(Reader *in, int depth) {
    if (depth == MOST_DEPTH) return 0;
    switch (peek(in)) {
    case '"': return ignored(in);
    case 't': return word(in, "true");
    case 'f': return word(in, "false");
    case 'n': return word(in, "null");
    case '[':
        in->at++;
        if (take(in, ']')) return 1;
        do
            if (!skip(in, depth + 1)) return 0;
        while (take(in, ','));
        return take(in, ']');
    case '{':
        in->at++;
        if (take(in, '}')) return 1;
        do
            if (!ignored(in) || !take(in, ':') || !skip(in, depth + 1)) return 0;
        while (take(in, ','));
        return take(in, '}');
    default: return number(in);
    }
}

static int same(Text text, Value value) {
    if (text.length != value.length) return 0;
    for (int64_t n = 0; n < text.length; n++)
        if (text.at[n] != value.at[n]) return 0;
    return 1;
}

/* A text or a number; nothing else is read here. */
static int attribute(Reader *in, Value *value) {
    Value kind;
    if (!take(in, '{') || !name_of(in, &kind) || kind.length != 1 || !take(in, ':')) return 0;
    if (!string(in, value)) return 0;
    if (*kind.at == 'N') {
        for (int64_t n = 0; n < value->length; n++)
            if ((value->at[n] | 0x20) == 'e') return 0; /* values.decimal writes that one out */
    } else if (*kind.at != 'S') {
        return 0;
    }
    return take(in, '}');
}

#endif
