"""What is wrong with a JSON document that was checked field by field: one error that names the field.

It does not know what the document is, nor how it came.
"""

from __future__ import annotations

import re

from riverrun.base.errors import InputError

_PLACE = re.compile(r" - at `\$\.?(?P<path>.*)`$")
_FIELD = re.compile(r"field `(?P<name>.*?)`")


def wrong_field(what: str, whole: str) -> InputError:
    """Make the error of a field from the words of the decoder.

    Args:
        what: What `msgspec.ValidationError` says.
        whole: What to name when no field is to blame, such as `body`.

    Returns:
        E2002, to raise.
    """
    place = _PLACE.search(what)
    path = place["path"] if place else ""
    field = _FIELD.search(what)
    if field:
        path = f"{path}.{field['name']}".lstrip(".")
    return InputError("E2002", _PLACE.sub("", what), where=path or whole)
