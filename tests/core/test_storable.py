import pytest

from vigil_core.storable import MOST_DEEP, NestedTooDeeply, storable, storable_json


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("é😀\n\t", "é😀\n\t"),
        ("\ufeffx", "\ufeffx"),
        ("a\0b", "a\ufffdb"),
        ("\ud800x", "\ufffdx"),
        ("x\udfff\ud800", "x\ufffd\ufffd"),
    ],
)
def test_what_postgres_holds(text: str, kept: str) -> None:
    assert storable(text) == kept
    assert storable_json({text: [text, 1, None]}) == {kept: [kept, 1, None]}


def test_json_nested_too_deeply_is_named() -> None:
    value: object = 1
    for _ in range(MOST_DEEP):
        value = [value]
    assert storable_json(value) == value
    with pytest.raises(NestedTooDeeply):
        storable_json([value])
