"""RSA keys of service accounts, by the package `cryptography`, which google-auth brings along.

Without it the fake still runs: it makes no keys, and believes signatures.
"""

from importlib.util import find_spec
from typing import Final

_THERE: Final = find_spec("cryptography") is not None


def new_key() -> tuple[str, str]:
    """A private and its public key, as PEM. Raises `ImportError` without the package."""
    # Imported where it is used: an extra of the product brings it.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem.decode(), public.decode()


def signed(data: bytes, signature: bytes, public: str) -> bool:
    """Whether that is the key's RS256 signature of the data."""
    if not _THERE:
        return True
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415

    key = serialization.load_pem_public_key(public.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
