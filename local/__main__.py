"""`python -m local demo`, `python -m local serve`: see --help."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

import requests
from botocore.exceptions import BotoCoreError, ClientError

from local import demo
from local.aws import LocalAwsDied
from local.stack import StackFailed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description="Account Backup on a local AWS.")
    commands = parser.add_subparsers(dest="command", required=True)
    shown = commands.add_parser("demo", help="make a backup as a user would, and check it")
    shown.add_argument(
        "--folder", type=Path, default=Path(), help="where to save the archive (default: here)"
    )
    served = commands.add_parser("serve", help="deploy the service with an account in it, until Ctrl-C")
    served.add_argument("--port", type=int, help="of the local AWS (default: a free one)")
    arguments = parser.parse_args()
    # A closed terminal and a plain `kill` end as Ctrl-C does: with everything that was started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end)
    try:
        if arguments.command == "demo":
            demo.run(arguments.folder)
        else:
            demo.serve(arguments.port)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 0 if arguments.command == "serve" else 130
    except (
        demo.DemoFailed,
        LocalAwsDied,
        StackFailed,
        BotoCoreError,
        ClientError,
        requests.RequestException,
    ) as error:
        return demo.failed(error)
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
