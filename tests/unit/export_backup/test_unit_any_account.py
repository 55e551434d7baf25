"""A unit of any account, in any pages, cuts and goes, against the simplest way there is."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.export_backup.catalogue import (
    COMMENTS,
    PROOF_TABLES,
    RECIPIENTS,
    RESPONSES,
    USERS,
)
from functions.export_backup.unit_report import total
from tests.reading import xml_root, xml_text
from tests.unit.export_backup.account_in_memory import (
    AccountInMemory,
    Item,
    export,
    item,
    key,
    no_items,
)
from tests.unit.export_backup.small_account import AFTER, BEFORE, hanging, ids, proof, units_at


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, list[Item]]:
    """Few proofs, versions, comments, so that what hangs on them often does and often does not."""
    small = st.integers(1, 3)
    moments = st.sampled_from([BEFORE, BEFORE, AFTER, None])
    items = no_items()
    for numbers in draw(st.sets(st.tuples(small, small), max_size=6)):
        status = draw(st.sampled_from(["active", "archived", "trashed"]))
        kind = draw(st.sampled_from(["proof", "file"]))
        items["FILES"].append(proof(*numbers, status=status, type=kind, uploaded_at=draw(moments)))
    for table, parts in ((RECIPIENTS, 3), (COMMENTS, 3), (RESPONSES, 4)):
        for keys in draw(st.sets(st.tuples(*[small] * parts), max_size=10)):
            items[table.name].append(hanging(table, *keys, created_at=draw(moments)))
    for number in draw(st.sets(small, max_size=3)):
        items["USERS"].append(item(USERS, f"{number:012d}", id=str(number), created_at=draw(moments)))
    return items


def expected(items: dict[str, list[Item]]) -> tuple[dict[str, list[str]], dict[str, dict[str, int]]]:
    """Kept ids and reasons by table, in plain words: every record looks up what it hangs on."""
    by_key = {name: {key(entry): entry for entry in entries} for name, entries in items.items()}

    def reason(table: str, sk: str) -> str | None:
        entry = by_key[table].get(sk)
        if entry is None:
            return "orphan"
        if table not in ("FILES", "USERS") and (inherited := reason("FILES", "#".join(sk.split("#")[:2]))):
            return inherited
        if table == "RESPONSES" and (inherited := reason("COMMENTS", "#".join(sk.split("#")[:3]))):
            return inherited
        if table == "FILES" and entry.get("status") == {"S": "trashed"}:
            return "trash"
        created = entry.get("uploaded_at" if table == "FILES" else "created_at")
        return "after_snapshot" if created == {"S": AFTER} else None

    kept: dict[str, list[str]] = {}
    left_out: dict[str, dict[str, int]] = {}
    for table in (USERS, *PROOF_TABLES):
        reasons = {sk: reason(table.name, sk) for sk in sorted(by_key[table.name])}
        kept[table.name] = [by_key[table.name][sk]["id"]["S"] for sk, why in reasons.items() if why is None]
        left_out[table.name] = {}
        for why in filter(None, reasons.values()):
            left_out[table.name][why] = left_out[table.name].get(why, 0) + 1
    return kept, left_out


@settings(max_examples=300)
@given(
    items=accounts(),
    seed=st.integers(0, 2**16),
    bounds=st.sets(st.integers(0, 4), max_size=3),
    stops=st.booleans(),
)
def test_any_account_in_any_pages_units_and_resumptions_is_what_the_simplest_way_gives(
    items: dict[str, list[Item]], seed: int, bounds: set[int], stops: bool
) -> None:
    """Fault 22: no slice twice, none missing, wherever it was resumed."""
    chance = random.Random(seed)  # noqa: S311  page sizes
    source = AccountInMemory(items, page_size=lambda: chance.randint(0, 3))
    stop = (lambda: chance.random() < 0.5) if stops else None
    members, reports = export(source, units_at(*sorted(bounds)), stop=stop)
    kept, left_out = expected(items)
    report = total(reports)
    root = xml_root(members["backup.xml"])
    version = "proofs/*/version"
    paths = {
        "USERS": "users/user",
        "FILES": version,
        "RECIPIENTS": f"{version}/recipients/recipient",
        "COMMENTS": f"{version}/comments/comment",
        "RESPONSES": f"{version}/comments/comment/responses/response",
    }
    for table in (USERS, *PROOF_TABLES):
        assert ids(members[table.member]) == kept[table.name]
        assert [xml_text(element.find("id")) for element in root.findall(paths[table.name])] == kept[
            table.name
        ]
        counted = report.tables[table.name]
        assert counted.left_out == left_out[table.name]
        assert counted.written == report.members[table.member].rows == len(kept[table.name])
        assert counted.read == len(items[table.name])
    for element in root.findall(version):  # every one under its own
        for comment in element.findall("comments/comment"):
            its = xml_text(comment.find("id")) or ""
            number, its_version, _ = map(int, its.split("#"))
            assert xml_text(element.find("id")) == f"p{number}v{its_version}"
            for response in comment.findall("responses/response"):
                assert (xml_text(response.find("id")) or "").startswith(its)
    one, _ = export(AccountInMemory(items))
    assert {name: one[name] for name in one if name != "backup.xml"} == {
        name: members[name] for name in members if name != "backup.xml"
    }


@given(items=accounts())
def test_units_and_pages_do_not_change_a_byte(items: dict[str, list[Item]]) -> None:
    whole, _ = export(AccountInMemory(items, page_size=lambda: 1000))
    cut, _ = export(AccountInMemory(items, page_size=lambda: 1), units_at(1, 2, 3))
    assert whole == cut
