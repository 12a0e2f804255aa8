"""The keyring wraps under the newest KEK, opens under all, and tells a missing key from damage."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.keyring import KekUnavailable, Keyring, KeyringInvalid, WrapDamaged, kek_generate

ONE, TWO, THREE = ("A" * 42 + last for last in "AEI")
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"
KEY = bytes(range(32))


def test_the_highest_version_wraps_and_every_version_unwraps() -> None:
    before = Keyring.parse(f"1:{ONE}")
    after = Keyring.parse(f"2:{TWO},1:{ONE}")
    old, new = before.wrap(KEY, context=b"row"), after.wrap(KEY, context=b"row")
    assert (before.current_version, after.current_version) == (1, 2)
    assert (after.version_of(old), after.version_of(new)) == (1, 2)
    assert after.unwrap(old, context=b"row") == after.unwrap(new, context=b"row") == KEY


def test_the_order_in_the_text_does_not_matter() -> None:
    assert Keyring.parse(f"2:{TWO},10:{ONE},3:{THREE}").current_version == 10


@given(plain=st.binary(max_size=200), context=st.binary(max_size=50))
def test_any_bytes_come_back_with_their_context_only(plain: bytes, context: bytes) -> None:
    keyring = Keyring.parse(f"1:{ONE}")
    blob = keyring.wrap(plain, context=context)
    assert keyring.unwrap(blob, context=context) == plain
    assert keyring.wrap(plain, context=context) != blob
    with pytest.raises(WrapDamaged):
        keyring.unwrap(blob, context=context + b"x")


def test_rewrapping_moves_to_the_current_version_and_then_rests() -> None:
    blob = Keyring.parse(f"1:{ONE}").wrap(KEY, context=b"row")
    keyring = Keyring.parse(f"2:{TWO},1:{ONE}")
    moved = keyring.rewrap(blob, context=b"row")
    assert Keyring.parse(f"2:{TWO}").unwrap(moved, context=b"row") == KEY
    assert keyring.rewrap(moved, context=b"row") == moved
    with pytest.raises(WrapDamaged):
        keyring.rewrap(moved, context=b"another row")


def test_a_missing_version_is_unavailable_and_not_damage() -> None:
    blob = Keyring.parse(f"2:{TWO}").wrap(KEY, context=b"row")
    with pytest.raises(KekUnavailable, match="version 2"):
        Keyring.parse(f"1:{ONE}").unwrap(blob, context=b"row")


def test_another_key_under_the_same_version_is_unavailable_and_not_damage() -> None:
    blob = Keyring.parse(f"1:{TWO}").wrap(KEY, context=b"row")
    with pytest.raises(KekUnavailable, match="another key"):
        Keyring.parse(f"1:{ONE}").unwrap(blob, context=b"row")


def test_every_flipped_bit_is_found() -> None:
    keyring = Keyring.parse(f"1:{ONE}")
    blob = keyring.wrap(KEY, context=b"row")
    for bit in range(len(blob) * 8):
        flipped = bytearray(blob)
        flipped[bit // 8] ^= 1 << bit % 8
        names_the_key = 1 <= bit // 8 < 13
        with pytest.raises(KekUnavailable if names_the_key else WrapDamaged):
            keyring.unwrap(bytes(flipped), context=b"row")


def test_every_truncation_is_damage() -> None:
    keyring = Keyring.parse(f"1:{ONE}")
    blob = keyring.wrap(KEY, context=b"row")
    for length in range(len(blob)):
        with pytest.raises(WrapDamaged):
            keyring.unwrap(blob[:length], context=b"row")
    with pytest.raises(WrapDamaged):
        keyring.version_of(b"")


def test_a_generated_key_fits_a_keyring() -> None:
    first, second = kek_generate(), kek_generate()
    assert first != second
    assert Keyring.parse(f"1:{first},2:{second}\n").current_version == 2


def test_padding_and_spaces_between_entries_are_no_mistake() -> None:
    padded = base64.urlsafe_b64encode(KEY).decode()
    assert padded.endswith("=")
    assert Keyring.parse(f" 1:{padded} , 2:{TWO}\n").current_version == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        SECRET,
        f":{SECRET}",
        f"one:{SECRET}",
        f"0:{SECRET}",
        f"-1:{SECRET}",
        f"01:{SECRET}",
        f"4294967296:{SECRET}",
        f"1:{SECRET},",
        f"1:{SECRET};2:{TWO}",
        f"1:{SECRET}AAAA",
        f"1:{SECRET[:-1]}",
        f"1:{SECRET[:-1]}J",  # decodes to the same bytes, but is not their canonical form
        f"1:{SECRET}==",
        f"1:+{SECRET[1:]}",
        f"1: {SECRET}",
        f"1:{SECRET},1:{TWO}",
        f"1:{SECRET},2:{SECRET}",
    ],
)
def test_invalid_keyring_is_refused_without_showing_a_key(text: str) -> None:
    with pytest.raises(KeyringInvalid) as caught:
        Keyring.parse(text)
    told = str(caught.value)
    assert told
    assert SECRET[:8] not in told
    assert caught.value.__cause__ is None


def test_a_keyring_does_not_show_its_keys() -> None:
    keyring = Keyring.parse(f"7:{SECRET}")
    shown = repr(keyring) + str(keyring)
    assert "current_version=7" in shown
    assert SECRET not in shown
    assert "AESGCM" not in shown


def test_wrapped_bytes_of_format_1_stay_readable() -> None:
    """A blob of the first release: its layout and label can never change unnoticed."""
    blob = bytes.fromhex(
        "010000000152f4617ef5a45017000102030405060708090a0b88ca315104f889"
        "feca7158eef10ed003447dba89ab8899e1d7d2fe109128117009f870181ab3df"
        "ed344aabae11c01796"
    )
    assert Keyring.parse(f"1:{ONE}").unwrap(blob, context=b"row") == KEY
