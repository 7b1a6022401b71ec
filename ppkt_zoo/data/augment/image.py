"""Augmentation of the teacher's image that says where every pixel went, so that pixel-point pairs stay true."""

import numpy as np
from PIL import Image
from pydantic import Field, field_validator

from ppkt_zoo.errors import InputError
from ppkt_zoo.files.validation import StrictModel

# A crop that would leave fewer of the pairs than this is drawn again, and after so many draws left out.
_FEWEST = 0.1
_DRAWS = 10
# ITU-R BT.601: how much red, green and blue add to a pixel's grey.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class ImageAugmentation(StrictModel):
    """What may happen to an image; the default is nothing at all.

    Colours are in parts of the full range. Everything happens in the order of the fields, geometry first.
    """

    flip: float = Field(default=0, ge=0, le=1, description="probability of mirroring left and right")
    crop: tuple[float, float] = Field(default=(1, 1), description="smallest and largest part of the area kept")
    crop_aspect: float = Field(default=1, ge=1, le=4, description="most that a crop is wider or higher than the image")
    brightness: float = Field(default=0, ge=0, le=1, description="largest shift of all colours, either way")
    contrast: float = Field(default=0, ge=0, lt=1, description="largest change of the factor about the mean")
    saturation: float = Field(default=0, ge=0, le=1, description="largest change of the factor about each pixel's grey")
    grey: float = Field(default=0, ge=0, le=1, description="probability that the image loses its colour")

    @field_validator("crop")
    @classmethod
    def _is_a_part(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0 < given[0] <= given[1] <= 1:
            raise ValueError(
                f"the smallest part must be above 0 and at most the largest, and that at most 1, got {given}"
            )
        return given

    @classmethod
    def off(cls) -> "ImageAugmentation":
        """No augmentation."""
        return cls()

    @property
    def is_off(self) -> bool:
        """Whether nothing can happen to an image."""
        return self == ImageAugmentation()

    def __call__(
        self, image: np.ndarray, pixel: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Augment one image.

        Args:
            image: uint8 (H, W, 3).
            pixel: (N, 2), (u, v) of points in it; integers are the centres of pixels.
            rng: where all randomness comes from.

        Returns:
            The new image uint8 (H, W, 3), of the same size; float32 (N, 2), where each point's pixel lies in it; and
            bool (N,), False for those that lie outside of it now. At least a tenth stays inside.

        Raises:
            InputError: a shape or dtype does not fit.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f"image must be uint8 (H, W, 3), got {image.dtype} {image.shape}")
        if pixel.ndim != 2 or pixel.shape[1] != 2:
            raise InputError(f"pixel must have shape (N, 2), got {pixel.shape}")
        pixel = pixel.astype(np.float32)
        alive = np.ones(len(pixel), dtype=bool)
        if self.flip and rng.random() < self.flip:
            image = np.ascontiguousarray(image[:, ::-1])
            pixel[:, 0] = image.shape[1] - 1 - pixel[:, 0]
        if self.crop != (1, 1) or self.crop_aspect != 1:
            image, pixel, alive = self._crop(image, pixel, rng)
        return self._recolor(image, rng), pixel, alive

    def _crop(
        self, image: np.ndarray, pixel: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A part of the image, enlarged to the size of the whole."""
        size = np.array([image.shape[1], image.shape[0]], dtype=np.float64)
        for _ in range(_DRAWS):
            area = rng.uniform(*self.crop)
            aspect = np.exp(rng.uniform(-1, 1) * np.log(self.crop_aspect))
            part = size * np.minimum([np.sqrt(area * aspect), np.sqrt(area / aspect)], 1)
            corner = rng.uniform(0, 1, 2) * (size - part)
            # The corner of the first pixel lies half a pixel before its centre.
            moved = (pixel + 0.5 - corner) * (size / part) - 0.5
            alive = np.all((moved >= 0) & (moved <= size - 1), axis=1)
            if alive.sum() >= max(1, _FEWEST * len(pixel)):
                # Rounding must not take the far corner beyond the image.
                box = (*corner.tolist(), *np.minimum(corner + part, size).tolist())
                whole = Image.fromarray(image)
                enlarged = whole.resize(whole.size, Image.Resampling.BILINEAR, box=box)
                return np.array(enlarged, dtype=np.uint8), moved.astype(np.float32), alive
        return image, pixel, np.ones(len(pixel), dtype=bool)

    def _recolor(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if not (self.brightness or self.contrast or self.saturation or self.grey):
            return image
        color: np.ndarray = image.astype(np.float32)
        if self.brightness:
            color += np.float32(255 * rng.uniform(-self.brightness, self.brightness))
        if self.contrast:
            mean = np.float32(color.mean(dtype=np.float64))
            color = mean + (color - mean) * np.float32(rng.uniform(1 - self.contrast, 1 + self.contrast))
        if self.saturation:
            grey = (color @ _LUMA)[..., None]
            color = grey + (color - grey) * np.float32(rng.uniform(1 - self.saturation, 1 + self.saturation))
        if self.grey and rng.random() < self.grey:
            color = np.repeat((color @ _LUMA)[..., None], 3, axis=2)
        return color.round().clip(0, 255).astype(np.uint8)
