"""Where AWS Bedrock's regions have their APIs, and S3 its own there, as data.

Source: docs.aws.amazon.com/general/latest/gr/bedrock.html, .../s3.html
"""


def control_of(region: str) -> str:
    """The address of a region's control plane, where jobs are."""
    return f"https://bedrock.{region}.{_domain(region)}"


def runtime_of(region: str) -> str:
    """The address that a region's models are called at."""
    return f"https://bedrock-runtime.{region}.{_domain(region)}"


def storage_of(region: str) -> str:
    """The address of S3 in a region; buckets are the first segment of its paths."""
    return f"https://s3.{region}.{_domain(region)}"


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
