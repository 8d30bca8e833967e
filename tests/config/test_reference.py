"""What is written from the models."""

from pathlib import Path

import pytest

from bridge.config.reference import parts, reference, written
from bridge.config.schema import schema


@pytest.mark.parametrize(("path", "text"), written(), ids=lambda each: each.name if isinstance(each, Path) else "")
def test_what_is_generated_is_up_to_date(path: Path, text: str) -> None:
    """`python -m bridge.config.reference` was run after the last change."""
    assert path.read_text("utf-8") == text


def test_every_key_has_a_row() -> None:
    """A key that a file may hold stands in the page."""
    page = reference()
    for part in parts():
        assert f"## {part.title}\n" in page
        for name, field in part.model.model_fields.items():
            assert f"| `{field.alias or name}` |" in page
    for key in schema()["properties"]:
        assert f"| `{key}` |" in page
