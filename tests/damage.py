"""Damage to files that tests make."""


def flipped(content: bytes, at: int) -> bytes:
    """Return content whose byte at an index differs in its lowest bit, so that it always is another one."""
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)
