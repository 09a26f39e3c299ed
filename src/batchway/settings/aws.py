"""Settings of an account on AWS Bedrock.

Owns their shapes, what within one account must agree, and what is told of its models before a line
is sent. Does not own what models there are (`catalog.bedrock_models`).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from batchway.catalog.bedrock_models import BEDROCK_MODELS, BEDROCK_MOST, BedrockDialect
from batchway.catalog.bedrock_names import BedrockName, read_name
from batchway.catalog.bedrock_regions import runtime_of
from batchway.domain.endpoint import Endpoint
from batchway.domain.overrides import Overrides
from batchway.domain.remote import NativeTraits
from batchway.domain.routing import Choice
from batchway.settings.kinds import (
    WILD,
    AwsAccessKey,
    AwsAccount,
    AwsRegion,
    AwsTagKey,
    AwsTagValue,
    Int,
    ObjectPrefix,
    Role,
    S3Bucket,
    S3Folder,
    Secret,
    Text,
    Url,
)
from batchway.settings.provider import Contradiction, NativeBase
from batchway.settings.section import Section

# As botocore's model of Bedrock has them, which AWS's own clients check by.
_MOST_TAGS: Final = 200
_MOST_SUBNETS: Final = 16
_MOST_GROUPS: Final = 5
_NETWORK_ID: Final = re.compile(r"[-0-9a-zA-Z]{1,32}")


class VpcSettings(Section):
    """The network that jobs read and write their files through."""

    subnets: tuple[Text, ...] = Field(min_length=1, description="Ids of its subnets, 16 at most.")
    security_groups: tuple[Text, ...] = Field(
        min_length=1, description="Ids of its security groups, 5 at most."
    )


class BedrockSettings(NativeBase):
    """AWS Bedrock in one region; a line names a model by its id, an inference profile or an ARN.

    Lines and answers are OpenAI's, whatever the model speaks: see the
    [guide](../guides/bedrock.md). Its packages are an extra: `pip install 'batchway[aws]'`.
    """

    address_of = "region"
    address_setting = "runtime_url"
    credential_setting = "access_key_id"
    advises = True

    type: Literal["aws-bedrock"] = Field(description="`aws-bedrock`.")
    region: AwsRegion = Field(description="Where models are called and jobs run.")
    bucket: S3Bucket | None = Field(
        default=None,
        description="S3 bucket for the inputs and results of jobs, in the same region. A batch "
        "names another one with `x-tfy-aws-s3-bucket`. Without any, `auto` sends lines one by "
        "one, and a job in the mode `native` fails.",
    )
    prefix: ObjectPrefix = Field(
        default="batchway", description="What the names of objects in the bucket begin with."
    )
    role_arn: Role | None = Field(
        default=None,
        description="ARN of the role that Bedrock reads and writes the bucket with; jobs need it, "
        "as they need `bucket`.",
    )
    access_key_id: AwsAccessKey | None = Field(
        default=None,
        description="Access key; when neither it nor `profile` is set, what AWS's SDKs find: the "
        "variables `AWS_ACCESS_KEY_ID` and so on, AWS's configuration files, or the role of the "
        "container or machine.",
    )
    secret_access_key: Secret | None = Field(default=None, description="The access key's secret.")
    session_token: Secret | None = Field(
        default=None, description="The session that the access key belongs to, if it does."
    )
    profile: Text | None = Field(
        default=None, description="A profile of AWS's configuration files, in place of a key."
    )
    assume_role_arn: Role | None = Field(
        default=None,
        description="ARN of a role to assume with these credentials; everything is done as that.",
    )
    external_id: Text | None = Field(
        default=None, description="What that role's trust policy asks for as `sts:ExternalId`."
    )
    api_key: Secret | None = Field(
        default=None,
        description="A Bedrock API key, which calls models and creates jobs in place of the "
        "credentials above; S3 takes those alone.",
    )
    bucket_owner: AwsAccount | None = Field(
        default=None, description="The account that the bucket belongs to, where it is another's."
    )
    kms_key: Text | None = Field(
        default=None, description="The KMS key that jobs encrypt their results with."
    )
    vpc: VpcSettings | None = Field(
        default=None, description="The network that jobs use, where that must be one's own."
    )
    tags: Mapping[AwsTagKey, AwsTagValue] = Field(
        default_factory=dict[str, str],
        description="Tags of jobs, for bills and policies; 200 at most.",
    )
    job_hours: Annotated[Int, Field(ge=24, le=168)] | None = Field(
        default=None,
        description="Hours after which Bedrock ends a job; when unset, those of the batch's "
        "window, within the 24 to 168 that Bedrock takes.",
    )
    models: Mapping[Text, BedrockDialect] = Field(
        default_factory=dict[str, BedrockDialect],
        description="Dialects of models by name or pattern (`*/my-profile`), where the "
        "[catalog](providers.md#aws-bedrock) has none or another: `converse`, `anthropic`, "
        "`openai`, `nova`, `llama`, `mistral`, `mistral-chat`, `deepseek`, `titan-embedding`, "
        "`cohere-embedding` or `nova-embedding`.",
    )
    readable: tuple[S3Folder, ...] = Field(
        default=(),
        description="Addresses such as `s3://bucket/prefix/`: below them, lines of any key may "
        "name files in S3, which Bedrock reads with the account's rights. Other `s3://` addresses "
        "are refused.",
    )
    base_url: Url | None = Field(
        default=None, description="Address of Bedrock's control plane; the region's own when unset."
    )
    runtime_url: Url | None = Field(
        default=None, description="Address of the models; the region's own when unset."
    )
    s3_url: Url | None = Field(
        default=None, description="Address of S3; the region's own when unset."
    )
    sts_url: Url | None = Field(
        default=None,
        description="Address of STS, which roles are asked for at; the region's own when unset.",
    )

    @property
    def address(self) -> str:
        """As it is set, or else the region's: where models are called."""
        return self.runtime_url or runtime_of(self.region)

    @property
    def traits(self) -> NativeTraits:
        """The most that a job of any model may hold."""
        return BEDROCK_MOST

    def traits_of(self, model: str, overrides: Overrides) -> NativeTraits | None:
        """What the catalog says of the model's family; none without a bucket and a role, unless
        they must be.
        """
        ready = self.role_arn is not None and (overrides.s3_bucket or self.bucket)
        if self.mode is not Choice.NATIVE and not ready:
            return None
        name = self._read(model)
        return name.family.traits if isinstance(name, BedrockName) else None

    @property
    def known_models(self) -> tuple[str, ...]:
        """Those that `models` spells out."""
        return tuple(name for name in self.models if not WILD.intersection(name))

    @property
    def model_patterns(self) -> tuple[str, ...]:
        """The patterns of `models`, then those of the catalog that tell a maker."""
        own = (name for name in self.models if WILD.intersection(name))
        makers = (row.pattern for row in BEDROCK_MODELS if row.publisher)
        return tuple(dict.fromkeys((*own, *makers)))

    def own_model(self, overrides: Overrides) -> str | None:
        """That of its own header before that of any provider's."""
        return overrides.bedrock_model or overrides.model

    def objection(self, model: str, endpoint: str) -> str | None:
        """A model must be in the catalog or the configuration, with that endpoint.

        An ARN is one of the account's region and, where `role_arn` tells it, of the account itself:
        what the credentials may do elsewhere is not for callers.
        """
        name = self._read(model)
        if not isinstance(name, BedrockName):
            return f"The provider '{self.name}' cannot run it: {name}"
        if name.region not in {None, self.region}:
            return (
                f"The provider '{self.name}' runs models in '{self.region}', and this ARN is one "
                f"of '{name.region}': name the model there, or an inference profile of it."
            )
        account = None if self.role_arn is None else self.role_arn.split(":")[4]
        if account is not None and name.account not in {None, account}:
            return f"The provider '{self.name}' runs models of its own account only."
        if endpoint in name.family.endpoints:
            return None
        known = " and ".join(sorted(name.family.endpoints))
        return f"The provider '{self.name}' runs it with {known} only."

    def no_jobs(self, model: str, overrides: Overrides) -> str | None:
        """A family, or a kind of ARN, that jobs do not run; a role or a bucket that is unset."""
        name = self._read(model)
        if not isinstance(name, BedrockName):
            return None
        if name.family.jobs is None:
            return "AWS Bedrock has no jobs for it: they run foundation models and profiles."
        if self.role_arn is None:
            return "It has no role for them: set `role_arn`."
        if not (overrides.s3_bucket or self.bucket):
            return (
                "It has no bucket for them: set `bucket`, or send the header x-tfy-aws-s3-bucket."
            )
        return None

    def misnamed(self, model: str) -> str | None:
        """The name must lead to a model."""
        name = self._read(model)
        return None if isinstance(name, BedrockName) else name

    def any_model(self, endpoint: str) -> str:
        """A name that a row of the catalog fits."""
        if endpoint == Endpoint.EMBEDDINGS:
            return "amazon.titan-embed-text-v2:0"
        return "anthropic.claude-m"

    def behind_address(self, endpoint: str) -> str:  # noqa: ARG002 - the same for each
        """What all addresses of models begin with."""
        return "/model"

    def contradictions(self) -> Iterator[Contradiction]:
        """Credentials that are too many, or not whole; jobs without their role."""
        key, secret = self.access_key_id, self.secret_access_key
        if key is not None and secret is None:
            yield ("secret_access_key",), "required beside access_key_id"
        if key is None and (secret is not None or self.session_token is not None):
            yield ("access_key_id",), "required beside secret_access_key"
        if self.profile is not None and key is not None:
            yield ("profile",), "must not be set beside access_key_id"
        if self.external_id is not None and self.assume_role_arn is None:
            yield ("external_id",), "is for a role that is assumed: set assume_role_arn"
        if self.mode is Choice.NATIVE and self.role_arn is None:
            yield ("role_arn",), "required where mode is native: jobs need it"
        if len(self.tags) > _MOST_TAGS:
            yield ("tags",), f"must be {_MOST_TAGS} at most"
        if self.vpc is not None:
            for name, ids, most in (
                ("subnets", self.vpc.subnets, _MOST_SUBNETS),
                ("security_groups", self.vpc.security_groups, _MOST_GROUPS),
            ):
                if len(ids) > most or not all(map(_NETWORK_ID.fullmatch, ids)):
                    yield ("vpc", name), f"must be up to {most} ids of letters, digits and -"
        yield from super().contradictions()

    def _read(self, model: str) -> BedrockName | str:
        """What a name means, or why it means nothing."""
        try:
            return read_name(model, self.models)
        except ValueError as error:
            return str(error)
