"""Fields of forms that Django has not."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from upscaler.numbers import whole_number


class WholeNumberField(forms.IntegerField):
    """A whole number as `upscaler.numbers.whole_number` reads it. Refuses everything else with the code ``invalid``."""

    def to_python(self, value: Any) -> int | None:
        number = super().to_python(value)
        if number is not None:
            try:
                whole_number(self.re_decimal.sub("", str(value)))
            except ValueError:
                raise ValidationError(self.error_messages["invalid"], code="invalid") from None
        return number
