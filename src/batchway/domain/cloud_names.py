"""How clouds let buckets and regions be called, as patterns: for settings, headers and addresses.

What fits can stand in an address as it is. Sources: docs.cloud.google.com/storage/docs/buckets
(naming), docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/locations,
docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html,
docs.aws.amazon.com/general/latest/gr/rande.html
"""

from typing import Final

GCS_BUCKET: Final = r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"
S3_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
# A part of the world, a direction, a number: `europe-southwest1`. Nothing else has a host.
VERTEX_REGION: Final = (
    r"(?:global|us|eu"
    r"|[a-z]{2,20}-(?:(?:north|south)(?:east|west)?|east|west|central)[0-9]{1,2})"
)
AWS_REGION: Final = r"[a-z]{2,4}(?:-[a-z]{1,20}){1,3}-[0-9]{1,2}"
