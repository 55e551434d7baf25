"""The one address a mail may go to."""

from __future__ import annotations

import re

LONGEST = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets: RFC erratum 1690 to 3696
LONGEST_LOCAL_PART = 64  # RFC 5321 section 4.5.3.1.1

# RFC 5321's Dot-string, in ASCII: SES takes no SMTPUTF8 local parts. Quoted ones are legal and unused.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?!\d+$){_LABEL}")


def plain_address(text: str | None) -> str | None:
    """The address, its domain in ASCII; None unless `text` is exactly one address and nothing else.

    None for lists, display names, comments, white space and line ends anywhere, and for a domain
    whose punycode does not read back as the same domain: `faß.example` would become `fass.example`,
    which can be somebody else's.
    """
    if not text or len(text) > LONGEST or text.count("@") != 1:
        return None
    local_part, _, domain = text.partition("@")
    if len(local_part) > LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local_part):
        return None
    ascii_domain = domain if domain.isascii() else _punycode_of(domain)
    if ascii_domain is None or not _DOMAIN.fullmatch(ascii_domain):
        return None
    address = f"{local_part}@{ascii_domain}"
    return address if len(address) <= LONGEST else None


def _punycode_of(domain: str) -> str | None:
    try:
        ascii_domain = domain.encode("idna")
        same = ascii_domain.decode("idna") == domain.lower()
    except UnicodeError:
        return None
    return ascii_domain.decode("ascii") if same else None
