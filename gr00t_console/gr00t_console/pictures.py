# Copyright 2026 The gr00t_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make JPEGs of camera messages for a browser: as they came, or what the model sees of them."""

from typing import Any

import numpy as np
from PIL import Image
import simplejpeg

from gr00t_core.messages.images import decode_image
from gr00t_core.models import FAMILIES
from gr00t_core.transforms.video import crop_window

QUALITY = 80
NUMBERS = FAMILIES['n1_5'].numbers  # the console knows no checkpoint; N1.7 crops as much


def jpeg_of(message: Any, *, for_model: bool) -> bytes:
    """Return a frame as JPEG; one that came as JPEG is passed on as it is.

    Args:
        message: A `sensor_msgs` Image or CompressedImage.
        for_model: Cropped and resized as GR00T N1.5 sees it. The resize is Pillow's, which differs
            from the model's by less than a picture shows.

    Raises:
        ObservationError: The message holds no picture.
    """
    data = getattr(message, 'data', b'')
    if not for_model and getattr(message, 'format', '').lower().endswith(('jpeg', 'jpg')):
        return bytes(memoryview(data))
    image = decode_image(message)
    if for_model:
        rows, columns = (
            crop_window(length, NUMBERS.crop, 0.5, centred=True) for length in image.shape[:2]
        )
        cropped = Image.fromarray(np.ascontiguousarray(image[rows, columns]))
        side = (NUMBERS.image_side,) * 2
        image = np.asarray(cropped.resize(side, Image.Resampling.BILINEAR))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=QUALITY))
