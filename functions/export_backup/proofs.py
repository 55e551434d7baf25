"""The proofs of a unit, with all that hangs on them: four tables, walked side by side.

The sort keys of files, recipients, comments and responses begin with proof and version, so the four are
walked like the decks of one sorted catalogue. As many versions at once as have all that hangs on them in the
pages that are loaded: what belongs to which is looked up by key, and the XML nested in a few passes over
lists. A version that is cut by the end of a page is taken piece by piece, however many comments it has.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from functions.export_backup.backup_xml import BackupXml, tags
from functions.export_backup.catalogue import COMMENTS, FILES, RECIPIENTS, RESPONSES
from functions.export_backup.table_stream import Stream
from functions.export_backup.unit_report import Reason

_ID, _TYPE = (FILES.position(name) for name in ("id", "type"))
_VERSION: Final = tags(FILES.element)
_COMMENT: Final = tags(COMMENTS.element)


@dataclass(frozen=True, slots=True)
class Parents:
    """What records may hang on."""

    places: Mapping[str, int] = field(default_factory=dict)
    """By key, in order."""
    left_out: Mapping[int, Reason] = field(default_factory=dict)
    above: "Parents | None" = None
    """What they hang on themselves."""

    def reason(self, key: str) -> Reason | None:
        """Why what hangs on this stays out with it; None where it does not."""
        place = self.places.get(key)
        if place is not None:
            return self.left_out.get(place)
        reason = self.above.reason(key.rpartition("#")[0]) if self.above is not None else None
        return reason or Reason.ORPHAN


class Proofs:
    def __init__(
        self, streams: Mapping[str, Stream], xml: BackupXml | None, pause: Callable[[], None]
    ) -> None:
        """`pause` is called after each piece: what was added to the XML by then can be taken."""
        self._files = streams[FILES.name]
        self._recipients = streams[RECIPIENTS.name]
        self._comments = streams[COMMENTS.name]
        self._responses = streams[RESPONSES.name]
        self._hanging = (self._recipients, self._comments, self._responses)
        self._xml = xml
        self._pause = pause
        self._proof: str | None = None
        """The last one that was begun."""
        self._open: tuple[str, str] | None = None
        """The proof whose element is open in the XML, and that element's name."""

    def walk(self, stop: Callable[[], bool] | None) -> str | None:
        """Writes all proofs; where it was stopped, the key at which to go on."""
        resume_at: str | None = None
        files = self._files
        while files.load():
            key = files.keys[files.next]
            end = self._loaded()
            if stop is not None:
                begins = self._proof is None or not key.startswith(f"{self._proof}#")
                is_late = stop()
                if is_late and begins and self._proof is not None:
                    resume_at = key
                    break
                if is_late or not begins:  # so that it can end behind this proof
                    end = min(end, files.place(f"{key.partition('#')[0]}$"))
            if end > files.next:
                self._versions(end)
            else:
                self._version()
            self._pause()
        self._leave_proof()
        for stream in self._hanging:
            while stream.load():
                end = len(stream.keys) if resume_at is None else stream.place(resume_at)
                if end == stream.next:
                    break
                self._settle(stream, end, Parents())
                stream.advance(end)
        return resume_at

    def _loaded(self) -> int:
        """Up to which place the files have all that hangs on them in the pages that are loaded."""
        files = self._files
        end = len(files.keys)
        for stream in self._hanging:
            if stream.load():
                end = bisect_right(files.ends, stream.keys[-1], files.next, end)
        return end

    def _versions(self, end: int) -> None:
        """The next versions up to this place, with all that hangs on them."""
        files = self._files
        begin = files.next
        places = {key: place for place, key in enumerate(files.keys[begin:end], begin)}
        versions = Parents(places, files.left_out)
        before = files.ends[end - 1]
        recipients = self._hang(self._recipients, before, versions, begin, end)
        comments = self._comment_texts(self._comments.place(before), before, versions)
        if self._xml is None:
            files.advance(end)
        else:
            texts = files.markup(end)
            kept = files.kept(list(range(begin, end)), end)
            files.advance(end)
            in_versions = _gathered(*comments, begin, end)
            opening, closing = _VERSION
            for place, markup in zip(kept, texts, strict=True):
                self._enter_proof(place)
                self._xml.add(
                    b"%b%b\n<recipients>%b</recipients>\n<comments>%b</comments>%b"
                    % (opening, markup, recipients[place - begin], in_versions[place - begin], closing)
                )
        self._proof = files.keys[end - 1].partition("#")[0]

    def _version(self) -> None:
        """The next version, piece by piece, since not all that hangs on it is loaded."""
        files, place = self._files, self._files.next
        end = files.ends[place]
        versions = Parents({files.keys[place]: place}, files.left_out)
        kept = place not in files.left_out
        xml = self._xml if kept else None
        markup = files.markup(place + 1) if xml is not None else []
        if xml is not None:
            self._enter_proof(place)
            xml.add(b"%b%b\n<recipients>" % (_VERSION[0], markup[0]))
        while self._recipients.load() and self._recipients.place(end) > self._recipients.next:
            texts = self._hang(self._recipients, end, versions, place, place + 1)
            if xml is not None:
                xml.add(texts[0])
            self._pause()
        if xml is not None:
            xml.add(b"</recipients>\n<comments>")
        while self._comments.load() and (last := self._comments.place(end)) > self._comments.next:
            self._comments_of_one(last, versions)
            self._pause()
        while self._responses.load() and (last := self._responses.place(end)) > self._responses.next:
            self._settle(self._responses, last, Parents(above=versions))
            self._responses.advance(last)
        if xml is not None:
            xml.add(b"</comments>%b" % _VERSION[1])
        self._proof = files.keys[place].partition("#")[0]
        files.advance(place + 1)

    def _comments_of_one(self, end: int, versions: Parents) -> None:
        """The next comments of one version up to this place; fewer, where their responses are not loaded."""
        comments, responses = self._comments, self._responses
        if responses.load():
            end = bisect_right(comments.ends, responses.keys[-1], comments.next, end)
        if end > comments.next:
            _, texts = self._comment_texts(end, comments.ends[end - 1], versions)
            if self._xml is not None:
                for text in texts:
                    self._xml.add(text)
            return
        place = comments.next
        end_of_one = comments.ends[place]
        kept = bool(self._settle(comments, place + 1, versions))
        xml = self._xml if kept else None
        if xml is not None:
            xml.add(b"%b%b\n<responses>" % (_COMMENT[0], comments.markup(place + 1)[0]))
        one = Parents({comments.keys[place]: place}, comments.left_out, versions)
        while responses.load() and responses.place(end_of_one) > responses.next:
            texts = self._hang(responses, end_of_one, one, place, place + 1)
            if xml is not None:
                xml.add(texts[0])
            self._pause()
        if xml is not None:
            xml.add(b"</responses>%b" % _COMMENT[1])
        comments.advance(place + 1)

    def _comment_texts(self, end: int, before: str, versions: Parents) -> tuple[list[int], list[bytes]]:
        """The next comments up to this place with their responses, whose keys come before that one: of each
        that is written, the place of its version and its element."""
        comments = self._comments
        begin = comments.next
        at = self._settle(comments, end, versions)
        places = {key: place for place, key in enumerate(comments.keys[begin:end], begin)}
        inside = self._hang(self._responses, before, Parents(places, comments.left_out, versions), begin, end)
        texts: list[bytes] = []
        if self._xml is not None:
            opening, middle, closing = _COMMENT[0], b"\n<responses>", b"</responses>" + _COMMENT[1]
            texts = [
                b"".join((opening, markup, middle, responses, closing))
                for markup, responses in zip(comments.markup(end), comments.kept(inside, end), strict=True)
            ]
        comments.advance(end)
        return at, texts

    def _hang(self, stream: Stream, before: str, parents: Parents, begin: int, end: int) -> list[bytes]:
        """Passes the stream's next records before that key, on which nothing hangs; gives, for each of the
        parents from place `begin` to `end`, the elements of its own."""
        last = stream.place(before)
        at = self._settle(stream, last, parents)
        texts: list[bytes] = []
        if self._xml is not None:
            opening, closing = tags(stream.table.element)
            texts = [b"".join((opening, markup, closing)) for markup in stream.markup(last)]
        stream.advance(last)
        return _gathered(at, texts, begin, end) if texts else [b""] * (end - begin)

    def _settle(self, stream: Stream, end: int, parents: Parents) -> list[int]:
        """Says of the next records up to this place which stay out; of the others, the places of the
        parents."""
        keys = stream.parents(end)
        at = list(map(parents.places.get, keys))
        left_out = stream.left_out
        if None in at or not stream.is_uniform:
            for place, (key, parent) in enumerate(zip(keys, at, strict=True), stream.next):
                if parent is not None and parent not in parents.left_out:
                    continue
                if left_out.get(place) is not Reason.ORPHAN:
                    left_out[place] = parents.reason(key) or Reason.ORPHAN
        elif at:
            for parent, reason in parents.left_out.items():
                if at[0] <= parent <= at[-1]:  # type: ignore[operator]
                    first = bisect_left(at, parent)  # type: ignore[type-var]
                    last = bisect_right(at, parent, first)  # type: ignore[type-var]
                    left_out.update(dict.fromkeys(range(stream.next + first, stream.next + last), reason))
        return stream.kept(at, end)  # type: ignore[arg-type]

    def _enter_proof(self, place: int) -> None:
        """Sees to it that the element of this version's proof is the one that is open."""
        assert self._xml is not None
        proof = self._files.keys[place].partition("#")[0]
        if self._open is not None and self._open[0] == proof:
            return
        self._leave_proof()
        element = "file" if self._files.cell(place, _TYPE) == "file" else "proof"
        self._open = (proof, element)
        self._xml.enter(element)
        self._xml.field(FILES.columns[_ID], self._files.cell(place, _ID))

    def _leave_proof(self) -> None:
        if self._open is not None and self._xml is not None:
            self._xml.leave(self._open[1])
        self._open = None


def _gathered(at: list[int], texts: list[bytes], begin: int, end: int) -> list[bytes]:
    """The texts joined by where they belong: for each place from `begin` to `end` those whose `at` it is,
    which stand together."""
    joined = [b""] * (end - begin)
    first = 0
    for place, count in Counter(at).items():
        joined[place - begin] = b"".join(texts[first : first + count])
        first += count
    return joined
