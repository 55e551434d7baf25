"""`python -m local demo`, `serve`, `check`: see --help."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

import requests
from botocore.exceptions import BotoCoreError, ClientError

from local import check, demo
from local.aws import LocalAwsDied
from local.job import JobFailed
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
    checked = commands.add_parser(
        "check", help="make a backup on a deployed stack, and check it", description=check.__doc__
    )
    checked.add_argument("stack", help="the stack's name; AWS_PROFILE and AWS_REGION say where it is")
    checked.add_argument("--api", help="where the API answers, if not at the stack's output ApiUrl")
    arguments = parser.parse_args()
    # A closed terminal and a plain `kill` end as Ctrl-C does: with everything that was started.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, _end)
    try:
        if arguments.command == "demo":
            demo.run(arguments.folder)
        elif arguments.command == "check":
            check.run(arguments.stack, api=arguments.api)
        else:
            demo.serve(arguments.port)
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 0 if arguments.command == "serve" else 130
    except (
        JobFailed,
        LocalAwsDied,
        StackFailed,
        BotoCoreError,
        ClientError,
        requests.RequestException,
    ) as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        if arguments.command != "check":
            print(demo.where_to_look(), file=sys.stderr)
        return 1
    return 0


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
