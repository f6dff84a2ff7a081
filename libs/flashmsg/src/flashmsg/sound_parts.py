"""Models of parts that are sound by themselves and fit together: nothing is checked again (decision 74)."""

from typing import Any, TypeVar

from pydantic import BaseModel

_Model = TypeVar("_Model", bound=BaseModel)


def made_of_sound_parts(model: type[_Model], **members: Any) -> _Model:  # noqa: ANN401 - as the model's fields have them
    """Return what `model(**members)` returns; all its fields are given, in their sequence."""
    # What `model_construct` does, without its walk over the fields.
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", members)
    object.__setattr__(made, "__pydantic_fields_set__", set(members))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made
