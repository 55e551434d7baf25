"""The export's memory does not grow with the account."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.page_server import serving
from tests.e2e.world import World

FEW, MANY = 40_000, 200_000
"""Few are already more pages than are read ahead."""


def peak_of_export(world: World, comments: int) -> float:
    """Peak memory in MB of the Lambda's process that exported an account of so many comments."""
    # A changed setting makes the local AWS start a process anew, as a deployment does.
    with (
        serving(world.aws.endpoint, world.outputs["SourceTable"], comments) as dynamodb,
        world.exporting_with({"AWS_ENDPOINT_URL_DYNAMODB": dynamodb}),
    ):
        token = world.token(world.account().id)
        shown = world.ended(token, world.ask(token))
        processes = [entry for entry in Path("/proc").glob("[0-9]*") if dynamodb in environment_of(entry)]
        peaks = [(entry / "status").read_text().partition("VmHWM:")[2].split()[0] for entry in processes]
    assert shown["state"] == "ready", (shown.get("failure"), world.errors_of(shown["id"]))
    assert shown["progress"]["records"] == comments + 1
    return max(int(peak) for peak in peaks) / 1024


def environment_of(process: Path) -> str:
    try:
        return (process / "environ").read_text(errors="replace")
    except OSError:
        return ""


def test_the_export_takes_as_much_memory_for_many_comments_as_for_few(world: World) -> None:
    few, many = peak_of_export(world, FEW), peak_of_export(world, MANY)
    print(f"peak of the export's process: {few:.0f} MB for {FEW} comments, {many:.0f} MB for {MANY}")  # noqa: T201
    assert many < few * 1.1
