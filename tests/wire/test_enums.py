"""Every enum of the proto is one enum in Python, value by value."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import EnumDescriptor

from archives.formats import ArchiveFormat
from repository.archive.object_keys import FORMATS
from wire.enums import ServerControl, TarFormat, Word
from wire.proto.savepoint.sidecar.v1 import sidecar_pb2 as wire

WORDS = Word.__subclasses__()


def proto_enums() -> list[EnumDescriptor]:
    """The enums of the proto, including those inside messages."""
    found = list(wire.DESCRIPTOR.enum_types_by_name.values())
    messages = list(wire.DESCRIPTOR.message_types_by_name.values())
    for message in messages:
        messages += message.nested_types
        found += message.enum_types
    return found


def proto_words(enum: EnumDescriptor) -> frozenset[tuple[str, int]]:
    """The words of one enum with their numbers, without the unspecified value."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return frozenset((value.name.removeprefix(prefix).lower(), value.number) for value in enum.values if value.number)


def test_words_and_numbers_are_those_of_the_proto():
    words = [frozenset((word.name.lower(), word.number) for word in words if word.number) for words in WORDS]
    assert len(words) == len(set(words)) == len(proto_enums())
    assert set(words) == {proto_words(enum) for enum in proto_enums()}


@pytest.mark.parametrize("words", [words for words in WORDS if words is not TarFormat])
def test_value_of_a_word_is_its_name(words):
    assert words.words() == [word.name.lower() for word in words]


def test_formats_of_an_archive_have_the_values_of_its_endings():
    assert [ArchiveFormat(word) for word in TarFormat] == list(FORMATS)


@pytest.mark.parametrize("words", WORDS)
def test_number_means_its_word(words):
    assert [words.of(word.number) for word in words] == list(words)
    assert words.of(99) is None
    assert words.of(0) is (ServerControl.AUTO if words is ServerControl else None)


def test_enum_without_a_value_of_the_proto_is_refused():
    with pytest.raises(TypeError, match="REPLACE"):

        class Fewer(Word, proto=wire.ExtractMode):
            OVERLAY = "overlay"


def test_enum_with_a_value_that_the_proto_lacks_is_refused():
    with pytest.raises(TypeError, match="MERGE"):

        class More(Word, proto=wire.ExtractMode):
            REPLACE = "replace"
            OVERLAY = "overlay"
            MERGE = "merge"
