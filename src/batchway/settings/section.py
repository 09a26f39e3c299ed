"""The base of every group of settings."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A group of settings: unknown names are mistakes, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=False
    )
