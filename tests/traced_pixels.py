"""Whether anything of the pictures that a policy was sent is in what left as a trace."""

from __future__ import annotations

import base64


def check_no_pixels(bodies: list[bytes], images: list[bytes]) -> None:
    """Fails if an upload holds a stretch of a picture, as bytes or as base64.

    Args:
        bodies: every upload, uncompressed.
        images: every image of the three requests of `episodes.TWO_LOOKS`.
    """
    assert bodies
    assert len(images) == 0 + 2 + 3
    for image in images:
        middle = image[len(image) // 2 :][:48]
        encoded = base64.b64encode(image)
        for body in bodies:
            assert middle not in body
            assert encoded[200:260] not in body
    assert not any(b"base64" in body for body in bodies)
