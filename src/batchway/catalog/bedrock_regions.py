"""Where AWS Bedrock's regions have their APIs, as data.

Source: docs.aws.amazon.com/general/latest/gr/bedrock.html
"""


def control_of(region: str) -> str:
    """The address of a region's control plane, where jobs are."""
    return f"https://bedrock.{region}.{_domain(region)}"


def runtime_of(region: str) -> str:
    """The address that a region's models are called at."""
    return f"https://bedrock-runtime.{region}.{_domain(region)}"


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
