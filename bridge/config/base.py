"""What every mapping of the file has in common."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A mapping of the file: unknown keys are refused, values are never converted."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )


def as_tuple(value: object) -> object:
    """Return a list as a tuple, and all else as it is."""
    # Strictness takes a list for no tuple, and YAML has lists alone.
    if isinstance(value, list):
        return tuple(value)
    return value
