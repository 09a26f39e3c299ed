"""Addresses of AWS Bedrock: where a model is called, and where jobs are.

    converse           {runtime}/model/{id}/converse
    every other        {runtime}/model/{id}/invoke
    jobs               {control}/model-invocation-job, .../{arn}, {control}/model-invocation-jobs

The id is one segment, whatever stands in it: `:` and the `/` of an ARN are escaped, as boto3 does
(`tests/contract/test_aws_wire.py`). Signatures are over the address as it is sent. Source:
docs.aws.amazon.com/bedrock/latest/APIReference
"""

from typing import Final

from batchway.catalog.bedrock_models import BedrockDialect
from batchway.providers.aws.models import Model
from batchway.providers.aws.place import Place
from batchway.providers.http.addresses import segment

_CONVERSE: Final = "converse"
_INVOKE: Final = "invoke"


def online_address(model: Model, dialect: BedrockDialect) -> str:
    """Where lines are sent, in a dialect."""
    method = _CONVERSE if dialect is BedrockDialect.CONVERSE else _INVOKE
    return f"{model.place.runtime}/model/{segment(model.name)}/{method}"


def jobs_address(place: Place) -> str:
    """Where jobs are listed."""
    return f"{place.control}/model-invocation-jobs"


def new_job_address(place: Place) -> str:
    """Where jobs are created."""
    return f"{place.control}/model-invocation-job"


def job_address(place: Place, arn: str) -> str:
    """Where a job is looked at, by its whole ARN."""
    return f"{new_job_address(place)}/{segment(arn)}"


def calls_address(place: Place) -> str:
    """Where calls are listed that are answered in S3: a list of the models' own server."""
    return f"{place.runtime}/async-invoke"
