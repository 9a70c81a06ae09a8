"""The service's settings, from the variables QNA_MODEL, QNA_MAX_CONCURRENCY and QNA_TIMEOUT_S."""

from __future__ import annotations

import os
from typing import Annotated

import bentoml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from bento_service.errors import ServiceSettingsError


def _tag(text: str) -> str:
    return str(bentoml.Tag.from_str(text))


class ServiceSettings(BaseModel):
    """The service's settings. A server reads them when it starts."""

    model_config = ConfigDict(frozen=True)

    model: Annotated[str, AfterValidator(_tag)] | None = Field(
        default=None, description="tag of the model to serve; None: the service's own"
    )
    max_concurrency: int = Field(default=32, ge=1, description="requests in flight before more are answered 429")
    timeout_s: float = Field(default=60, gt=0, description="seconds before a request is answered 504")

    @classmethod
    def from_environment(cls) -> ServiceSettings:
        """Read the settings. Raises ServiceSettingsError naming the variable."""
        variables = {name: f"QNA_{name.upper()}" for name in cls.model_fields}
        given = {name: os.environ[variable] for name, variable in variables.items() if variable in os.environ}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problem = error.errors()[0]
            raise ServiceSettingsError(f"{variables[str(problem['loc'][0])]}: {problem['msg']}") from error
