"""The wire's methods: each admits its call, lets the work be done, and puts the answer into messages."""

from collections.abc import Iterator
from importlib import metadata
from itertools import chain, islice
from pathlib import Path
from typing import Final

import grpc

from sidecar.archive.pack import PackProgress, PackResult, WarningKind
from sidecar.calls import Calls
from sidecar.compressing import Compressions
from sidecar.errors import Refused
from sidecar.extracting import Extractions
from sidecar.files import Files
from sidecar.paths import require_data_root, scratch_name
from sidecar.restore.extraction import ExtractProgress, ExtractSummary, Mode, OutcomeKind, Phase
from sidecar.scratch import Scratch, free_bytes
from sidecar_client.framing import data_pack, data_unpack
from sidecar_client.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire
