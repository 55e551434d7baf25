"""Text that breaks exporters, each once in every seeded account: what bad-tempered spreadsheets, old
pasteboards and scripts leave in a comment field.

A lone surrogate is not among it: botocore cannot encode one as UTF-8, and DynamoDB stores none.
"""

FORMULAS = (
    "=cmd|'/c calc'!A0",
    "+1",
    "-1",
    "- a list begins like this",
    "@SUM(A1:A9)",
    '=HYPERLINK("http://example.com/?"&A1,"click")',
    "'=already guarded once",
    "''=already guarded twice",
    "'quoted', but no formula",
    "＝1＋1",
    "＠someone",
    "－5",
    "＋49 30 1234",
    "\t=1",
    "\rat the start of a line",
    "\nsecond line first",
)

CONTROLS = (
    *(f"control {code:02X}: [{chr(code)}] done" for code in range(0x20)),
    "not a character: [\ufffe] [\uffff]",
    "line separator \u2028, paragraph \u2029, next line \u0085, delete \u007f",
    "zero width \u200b, joiner \u200d, right to left \u202eabc\u202c, BOM \ufeff inside",
    "\ufeffBOM at the start",
)

SIGNS = (
    'He said "no", twice: ""',
    '"',
    '""',
    "a;b;c",
    "a,b,c",
    "  leading blanks and trailing ones  ",
    "line one\r\nline two\rline three\nline four",
    "]]> <!-- & &amp; <img src=x onerror=alert(1)> {{7*7}} ${7*7}",
    "literally \\u{1F600} and \\u{5C} and \\u{} and \\u{1234567} and \\u0041",
    "\\",
    "NULL",
    "0012",
    "1e5",
    "4E+40",
    "2026-11-23",
    "e\u0301 is not \u00e9",
    "🏳️‍🌈 👨‍👩‍👧‍👦 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠮷野家",
    " ",
)

ODD = FORMULAS + CONTROLS + SIGNS
