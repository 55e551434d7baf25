"""Archives of segments of any size and number, put together by moto, which refuses parts under 5 MiB."""

from __future__ import annotations

import zlib

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.export_backup.segments import Deflater, Segment
from functions.export_backup.zip_layout import Member
from tests.unit.export_backup.s3_bucket import BUCKET, Bucket, a_bucket
from tests.unit.export_backup.staged_archive import MIB, NOISE, assemble_in, assert_holds, with_manifest

FLOOR = 5 * MIB
# A segment that deflate cannot make smaller has a few bytes more than its content.
sizes = st.one_of(
    st.integers(0, 100),
    st.integers(FLOOR - 1000, FLOOR + 10),
    st.integers(0, 2 * FLOOR + 100),
)


def put(bucket: Bucket, member: str, number: int, content: bytes) -> Segment:
    deflater = Deflater()
    data = deflater.compress(content) + deflater.flush()
    key = f"staging/{number}/{member}"
    etag = bucket.s3.put_object(Bucket=BUCKET, Key=key, Body=data)["ETag"]
    return Segment(member, key, len(content), len(data), deflater.crc32, etag, zlib.crc32(data))


def assert_makes_an_archive(contents: dict[str, list[bytes]]) -> None:
    with a_bucket() as bucket:
        members = [
            Member(name, [put(bucket, name, number, part) for number, part in enumerate(parts)])
            for name, parts in contents.items()
        ]
        assert_holds(bucket, assemble_in(bucket, with_manifest(members)), contents)
        assert not bucket.open_uploads()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(sizes, max_size=4), min_size=1, max_size=3))
def test_any_segments_make_an_archive(members: list[list[int]]) -> None:
    assert_makes_an_archive(
        {f"{number}.csv": [NOISE[:size] for size in its_sizes] for number, its_sizes in enumerate(members)}
    )


def test_hundreds_of_small_segments_between_large_ones_make_an_archive() -> None:
    small = [b"%d,proof\r\n" % number for number in range(150)]
    assert_makes_an_archive(
        {"files.csv": [*small, NOISE, *small], "comments.csv": [NOISE[: 6 * MIB], *small, NOISE[: 6 * MIB]]}
    )
