"""`python -m wire.generate [--check]`: makes the wire's code from its `.proto`, or compares it."""

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path
from typing import Final

from grpc_tools import protoc  # type: ignore[import-untyped] # grpcio-tools brings no types

ROOT: Final = Path(__file__).resolve().parent.parent
PROTO: Final = Path("wire/proto/savepoint/sidecar/v1/sidecar.proto")
SUFFIXES: Final = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py")


def generated_paths() -> tuple[Path, ...]:
    """The generated files, relative to the project."""
    return tuple(PROTO.with_name(PROTO.stem + suffix) for suffix in SUFFIXES)


def code_generate(*, destination: Path) -> None:
    """Write the generated code under `destination` as under the project; `SystemExit` on a bad proto."""
    # The path of the proto inside the project becomes the import path inside the generated code.
    arguments = ["protoc", f"-I{ROOT}", str(ROOT / PROTO)]
    arguments += [f"--{kind}_out={destination}" for kind in ("python", "pyi", "grpc_python")]
    if protoc.main(arguments) != 0:
        raise SystemExit(f"{PROTO} could not be compiled")


def stale_paths(*, project: Path) -> tuple[Path, ...]:
    """The generated files of `project` that are missing or differ from the proto."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        code_generate(destination=fresh)
        return tuple(
            path
            for path in generated_paths()
            if not (project / path).is_file() or not filecmp.cmp(project / path, fresh / path, shallow=False)
        )


def main(arguments: list[str] | None = None) -> int:
    """Regenerate, or with `--check` only name stale files; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wire.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the code is stale")
    if not parser.parse_args(arguments).check:
        code_generate(destination=ROOT)
        return 0
    stale = stale_paths(project=ROOT)
    for path in stale:
        sys.stderr.write(f"{path} is stale: run `make proto`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
