"""The command line. It never has a key or password: other users can see it, and shells store it."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from typing import NoReturn
from uuid import UUID

from opener.errors import Cannot
from opener.places import place_arguments

PROGRAM = "savepoint-open"
_EXAMPLES = """\
examples:
  savepoint-open list    --folder /backups --master-keys master-keys.txt
  savepoint-open verify  --folder /backups --master-keys master-keys.txt
  savepoint-open extract --folder /backups --master-keys master-keys.txt 0a1b2c3d --to world.tar.gz
  savepoint-open extract --s3-endpoint https://s3.example.com --s3-bucket backups --key-file - 0a1b2c3d --to world

The command never writes to the place of the backups. Exit status: 0 done, 1 damage found, 2 failed.
"""


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Cannot(f"{message} (see {self.prog} --help)")


def arguments_parse(words: list[str] | None) -> Namespace:
    """The parsed command line. Raises `Cannot`, and SystemExit for --help."""
    parser = _Parser(
        prog=PROGRAM,
        description="Opens Savepoint's backups without the portal: from a folder or a bucket, and the keys.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    common = _common()

    listing = commands.add_parser("list", parents=[common], help="list the backups, or the paths of a snapshot")
    listing.add_argument("name", nargs="?", metavar="NAME", help="a snapshot, whose paths are listed")
    listing.add_argument("--json", action="store_true", help="one JSON object a line, for programs")

    verify = commands.add_parser("verify", parents=[common], help="check that backups are intact")
    verify.add_argument("names", nargs="*", metavar="NAME", help="backups to check; all of them without a name")
    verify.add_argument("--data", action="store_true", help="read all content of snapshots (of archives: always)")

    extract = commands.add_parser("extract", parents=[common], help="write an archive, or the files of a snapshot")
    extract.add_argument("name", metavar="NAME", help="a backup as `list` shows it, or the beginning of its name")
    extract.add_argument("paths", nargs="*", metavar="PATH", help="only these files or folders of a snapshot")
    extract.add_argument("--to", metavar="PATH", help="the new file (archive) or the folder (snapshot)")
    extract.add_argument("--force", action="store_true", help="replace an existing file, write into a filled folder")
    extract.add_argument("--keep-damaged", action="store_true", help="keep the part before the damage, as PATH.damaged")
    arguments, rest = parser.parse_known_args(words)
    # argparse accepts no further names after an option behind the first name.
    more = getattr(arguments, "paths" if arguments.command == "extract" else "names", None)
    if rest and (more is None or any(word.startswith("-") for word in rest)):
        parser.error(f"unknown: {' '.join(rest)}")
    if more is not None:
        more.extend(rest)
    return arguments


def _common() -> _Parser:
    common = _Parser(add_help=False)
    place_arguments(common)

    keys = common.add_argument_group("the keys, each in a file; - is standard input")
    which = keys.add_mutually_exclusive_group(required=True)
    which.add_argument("--master-keys", metavar="FILE", help="the installation's SAVEPOINT_MASTER_KEYS")
    which.add_argument("--key-file", metavar="FILE", help="one data key: 32 bytes, hexadecimal or base64")
    keys.add_argument(
        "--keys-file", metavar="FILE", action="append", default=[],
        help="a copy of wrapped keys, where the target has lost its own (with --master-keys)",
    )  # fmt: skip

    narrow = common.add_argument_group("which backups")
    narrow.add_argument("--tenant", type=UUID, metavar="UUID", help="only this customer's")
    narrow.add_argument("--order", type=UUID, metavar="UUID", help="only this order's")
    narrow.add_argument("--target", type=UUID, metavar="UUID", help="the target's id, where no copy of keys tells it")
    return common
