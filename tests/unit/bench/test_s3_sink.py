"""The benchmark's S3, as a client of it sees it: it keeps what it is sent, and refuses what is damaged."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bench import pages
from bench.http_server import Answer, Request
from bench.s3_sink import LEAST_PART, OnDisk, Sink
from tests.unit.bench.bench_server import bench_server

PART = bytes(range(256)) * (LEAST_PART // 256)


@pytest.fixture(scope="module", params=[False, True], ids=["http", "https"])
def s3(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Any]:
    # Over HTTPS botocore sends its sums behind the content, in chunks.
    tls = tmp_path_factory.mktemp("certificate") if request.param else None
    with bench_server(pages.recorded(1, tmp_path_factory.mktemp("recordings")), "", tls) as (place, _):
        yield place.session.client("s3", **place.parameters)


def content(s3: Any, key: str, **more: Any) -> bytes:
    body: bytes = s3.get_object(Bucket="b", Key=key, **more)["Body"].read()
    return body


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_an_object_comes_back_whole_and_in_ranges(s3: Any) -> None:
    s3.put_object(Bucket="b", Key="a/ü.txt", Body=b"0123456789", ContentType="a/b", Metadata={"by": "x"})
    assert content(s3, "a/ü.txt") == b"0123456789"
    assert content(s3, "a/ü.txt", Range="bytes=2-4") == b"234"
    assert content(s3, "a/ü.txt", Range="bytes=7-") == b"789"
    assert content(s3, "a/ü.txt", Range="bytes=-2") == b"89"
    head = s3.head_object(Bucket="b", Key="a/ü.txt")
    assert (head["ContentLength"], head["ContentType"], head["Metadata"]) == (10, "a/b", {"by": "x"})
    listed = s3.list_objects_v2(Bucket="b", Prefix="a/")["Contents"]
    assert [(one["Key"], one["Size"]) for one in listed] == [("a/ü.txt", 10)]
    s3.delete_objects(Bucket="b", Delete={"Objects": [{"Key": "a/ü.txt"}]})
    with pytest.raises(ClientError) as error:
        content(s3, "a/ü.txt")
    assert code_of(error) == "NoSuchKey"


def test_an_object_is_not_overwritten_where_that_was_forbidden(s3: Any) -> None:
    s3.put_object(Bucket="b", Key="once", Body=b"first")
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="b", Key="once", Body=b"second", IfNoneMatch="*")
    assert code_of(error) == "PreconditionFailed"
    assert content(s3, "once") == b"first"


def begun(s3: Any, key: str) -> dict[str, str]:
    upload_id = s3.create_multipart_upload(Bucket="b", Key=key)["UploadId"]
    return {"Bucket": "b", "Key": key, "UploadId": upload_id}


def test_parts_sent_and_copied_are_one_object(s3: Any) -> None:
    s3.put_object(Bucket="b", Key="source", Body=PART + b"tail")
    upload = begun(s3, "whole")
    sent = s3.upload_part(**upload, PartNumber=1, Body=PART)["ETag"]
    copied = s3.upload_part_copy(
        **upload,
        PartNumber=2,
        CopySource={"Bucket": "b", "Key": "source"},
        CopySourceRange=f"bytes=1-{LEAST_PART + 3}",
    )["CopyPartResult"]["ETag"]
    parts = [{"PartNumber": 1, "ETag": sent}, {"PartNumber": 2, "ETag": copied}]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert content(s3, "whole") == PART + PART[1:] + b"tail"
    assert content(s3, "whole", Range=f"bytes={LEAST_PART - 1}-{LEAST_PART}") == PART[-1:] + PART[1:2]


def in_base64(content: bytes) -> str:
    return base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()


def test_the_sums_of_parts_and_of_the_whole_are_told_and_compared(s3: Any) -> None:
    s3.put_object(Bucket="b", Key="source", Body=PART + b"tail")
    place = {"Bucket": "b", "Key": "summed"}
    begun = s3.create_multipart_upload(**place, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    assert (begun["ChecksumAlgorithm"], begun["ChecksumType"]) == ("CRC32", "FULL_OBJECT")
    upload = place | {"UploadId": begun["UploadId"]}
    source = {"CopySource": {"Bucket": "b", "Key": "source"}, "CopySourceRange": f"bytes=1-{LEAST_PART + 3}"}
    copied = s3.upload_part_copy(**upload, PartNumber=1, **source)["CopyPartResult"]
    sent = s3.upload_part(**upload, PartNumber=2, Body=b"end")
    whole = PART[1:] + b"tail" + b"end"
    assert (copied["ChecksumCRC32"], sent["ChecksumCRC32"]) == (in_base64(whole[:-3]), in_base64(b"end"))
    parts = [
        {"PartNumber": number, "ETag": part["ETag"], "ChecksumCRC32": part["ChecksumCRC32"]}
        for number, part in enumerate((copied, sent), 1)
    ]

    def complete(parts: list[Any], crc32: str) -> None:
        s3.complete_multipart_upload(
            **upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT", ChecksumCRC32=crc32
        )

    with pytest.raises(ClientError) as error:
        complete([parts[0], parts[1] | {"ChecksumCRC32": in_base64(b"END")}], in_base64(whole))
    assert code_of(error) == "InvalidPart"
    with pytest.raises(ClientError) as error:
        complete(parts, in_base64(whole[:-1]))
    assert code_of(error) == "BadDigest"
    complete(parts, in_base64(whole))
    found = s3.head_object(**place, ChecksumMode="ENABLED")
    assert (found["ChecksumType"], found["ChecksumCRC32"]) == ("FULL_OBJECT", in_base64(whole))


def test_a_sink_on_disk_gives_back_what_it_was_sent(tmp_path: Path) -> None:
    with (tmp_path / "kept").open("w+b") as file:
        sink = Sink(OnDisk(file, 10 * LEAST_PART))
        for key, content in (("/b/one", PART), ("/b/two", b"small")):
            assert sink(Request("PUT", key, {}, {}, bytearray(content))).status == 200
        for key, content in (("/b/one", PART), ("/b/two", b"small")):
            assert b"".join(sink(Request("GET", key, {}, {}, bytearray())).body) == content
        file.flush()
        assert (tmp_path / "kept").read_bytes()[: len(PART) + 5] == PART + b"small"


def test_small_parts_foreign_etags_and_aborted_uploads_are_refused(s3: Any) -> None:
    upload = begun(s3, "never")
    etags = [s3.upload_part(**upload, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert code_of(error) == "EntityTooSmall"
    with pytest.raises(ClientError) as error:
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": '"no"'}]})
    assert code_of(error) == "InvalidPart"
    s3.abort_multipart_upload(**upload)
    with pytest.raises(ClientError) as error:
        s3.upload_part(**upload, PartNumber=1, Body=b"late")
    assert code_of(error) == "NoSuchUpload"


CRC32_OF_ABC = base64.b64encode((0x352441C2).to_bytes(4, "big")).decode()
MD5_OF_ABC = "kAFQmDzST7DWlj99KOF/cg=="


def put(headers: dict[str, str], body: bytes) -> Answer:
    return Sink()(Request("PUT", "/b/key", {}, headers, bytearray(body)))


def chunked(content: bytes, crc32: str) -> tuple[dict[str, str], bytes]:
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "3"}
    trailer = f"x-amz-checksum-crc32:{crc32}".encode()
    return headers, b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(content), content, trailer)


@pytest.mark.parametrize(("content", "status"), [(b"abc", 200), (b"abd", 400)])
def test_every_kind_of_sum_is_compared(content: bytes, status: int) -> None:
    assert put({"x-amz-checksum-crc32": CRC32_OF_ABC}, content).status == status
    assert put({"content-md5": MD5_OF_ABC}, content).status == status
    assert put(*chunked(content, CRC32_OF_ABC)).status == status


def test_a_chunked_body_that_is_too_short_is_refused() -> None:
    headers, body = chunked(b"ab", "")
    assert put(headers, body).status == 400


def test_a_big_upload_arrives_as_a_client_sends_it(s3: Any, tmp_path: Path) -> None:
    file = tmp_path / "big"
    file.write_bytes(PART * 4)
    s3.upload_file(str(file), "b", "big")
    assert content(s3, "big") == PART * 4
