"""What to do for an order: which networks, in which order, and how much of the restoring one.

Two experts. The *faithful* one keeps to what the picture shows. Which network it is depends on the source: DAT-light
and SRMD are truer where a picture was only shrunk, good JPEGs once CUNet has cleaned them, and fall behind where that
was done by averaging or it is a coarse JPEG. There it is CUNet, whose second pass is left to the photo network, which
is quicker and on photographs as good (0.02 dB apart). The *restoring* one, x4plus, invents detail; it garbles small
print and loses fine weaves, so it is only ever mixed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from upscaler import upscaling_models
from upscaler.engines.local.back_projection import Keep
from upscaler.engines.local.networks import (
    CUNET,
    CUNET_CLEAN_0,
    CUNET_CLEAN_1,
    CUNET_DENOISE_0,
    CUNET_DENOISE_1,
    DAT_2X,
    DAT_4X,
    PHOTO,
    PHOTO_DENOISE_3,
    SRMD_CLEAN_4X,
    X4PLUS,
    Network,
    srmd_4x,
)
from upscaler.engines.local.source_facts import JPEG_CLEAN_FROM, JPEG_TELLS_FROM, SourceFacts
from upscaler.engines.local.wear import Wear

STRENGTH = {
    upscaling_models.HIGH_FIDELITY_V2: 0.0,
    upscaling_models.STANDARD_V2: 0.45,
    upscaling_models.LOW_RESOLUTION_V2: 0.6,
}
"""How much of the restoring expert is mixed in, in the part of the picture that is enhanced."""

STRENGTH_DEBLURRED = 0.4
"""What is left of that where a network takes the blur away, which leaves less to be invented."""
BLURRED_FROM, SURE = 0.6, 0.1
"""The blur in source pixels, and the confidence in it, from which a picture is taken for a blurred one."""
BLURS, TOLD, TOLD_STEP = (0.6, 0.75, 0.95, 1.1), (2.8, 3.2, 3.6, 4.8), 0.4
"""Blurs in source pixels, what SRMD is told of them in the result's at 4x, and in which steps, so that pictures share
compiled networks. Small ones are told as smaller yet, since there they may be none: a blur that is told and not there
costs 2 to 4 dB."""
JPEG_NOISE = 14
"""Noise that is told of a JPEG, in levels of 255, before its quality takes 2 away for each 20. More than there is makes
the network careful where the blur is told wrongly."""

JPEG_GOOD_FROM, JPEG_WORN_BELOW = 83, 70
"""JPEG qualities between which the cleaning networks change places.

Measured at 2x, five photographs, colours at half size as cameras and shops write them, PSNR in dB:

========  =====  ========  ========  ==============
quality   CUNet  denoise0  denoise1  photo denoise3
========  =====  ========  ========  ==============
97        31.08     31.71     31.31           30.47
88        29.78     30.68     30.48           30.19
75        28.58     29.47     29.63           29.62
65        28.02     28.81     29.11           29.22
45        27.22     27.84     28.24           28.47
========  =====  ========  ========  ==============
"""


DAT_MOST = 640 * 640
"""Source pixels up to which DAT-light is taken, where it is good for a source: ten seconds on two cores with AMX."""


@dataclass(frozen=True)
class Recipe:
    """One way to enlarge a picture."""

    factor: int
    """What width and height are multiplied by in the end."""
    passes: tuple[Network, ...]
    """The faithful expert: each network enlarges what the one before it made."""
    restoring: Network | None
    """The restoring expert, where the order asks for it anywhere."""
    strength: float
    """The share of the restoring network, from 0 to 1, in the part of the picture that ``part`` names."""
    keep: Keep
    """What of the source has to stay where the restoring network adds nothing."""
    part: str | None = None
    """``subject_detection``; None where no part is to be told from another."""
    faces: float | None = None
    """The share of the restoring network in faces, from 0 to 1; None where they are treated like the rest."""
    deblurring: tuple[Network, ...] = ()
    """For a blurred source: each works on what the one before it made, and the last takes the faithful expert's place
    wherever the restoring one has a share."""
    deblurred: float = 1.0
    """How far it takes that place, from 0 to 1: the less sure the blur is, the less."""

    @property
    def work_factor(self) -> int:
        """The factor that the networks reach; the rest, from 4 to 6 times, is resampling."""
        factor = 1
        for network in self.passes:
            factor *= network.scale
        return factor

    @property
    def networks(self) -> list[str]:
        """The names of all networks, for the record."""
        return [network.name for network in (*self.passes, *self.deblurring, self.restoring) if network is not None]


def recipe(model_name: str, settings: Mapping[str, Any], facts: SourceFacts) -> Recipe:
    """The recipe for an upscaling model with complete settings and a source of that kind."""
    factor = upscaling_models.factor(model_name, settings)
    passes = _faithful(facts, doubled=factor == 2)
    kept = _kept(facts.jpeg_quality)
    if model_name == upscaling_models.RECRAFT:
        return Recipe(factor, passes, None, 0.0, kept)
    strength = STRENGTH[settings["enhance_model"]]
    faces = settings["face_enhancement_creativity"] if settings["face_enhancement"] else None
    if not strength and not faces:
        return Recipe(factor, passes, None, 0.0, kept)
    part = settings["subject_detection"] if strength else None
    return Recipe(factor, passes, X4PLUS, strength, kept, part, faces)


def _faithful(facts: SourceFacts, *, doubled: bool) -> tuple[Network, ...]:
    """The faithful expert's networks, for 2x or for 4x."""
    # At 90, JPEGs shrunk by Lanczos would lose 0.06 dB at 4x.
    good_from = JPEG_TELLS_FROM if doubled else JPEG_CLEAN_FROM
    is_good = facts.jpeg_quality is None or facts.jpeg_quality >= good_from
    if is_good and not facts.is_averaged:
        cleaning = () if facts.jpeg_quality is None else (CUNET_CLEAN_0,)
        if facts.width * facts.height <= DAT_MOST:
            return (*cleaning, DAT_2X if doubled else DAT_4X)
        if not doubled:
            return (*cleaning, SRMD_CLEAN_4X)
    first = _first_pass(facts.jpeg_quality)
    return (first,) if doubled else (first, PHOTO)


def _first_pass(jpeg_quality: int | None) -> Network:
    """Without cleaning, the blocks and colour fringes of a JPEG would be enlarged as if they were detail."""
    if jpeg_quality is None:
        return CUNET
    if jpeg_quality >= JPEG_GOOD_FROM:
        return CUNET_DENOISE_0
    return PHOTO_DENOISE_3 if jpeg_quality < JPEG_WORN_BELOW else CUNET_DENOISE_1


def _kept(jpeg_quality: int | None) -> Keep:
    """To keep all of a worn JPEG would bring its blocks back."""
    if jpeg_quality is None:
        return Keep.DETAIL
    return Keep.BRIGHTNESS if jpeg_quality >= JPEG_CLEAN_FROM else Keep.COLOUR


def for_worn(plan: Recipe, wear: Wear, jpeg_quality: int | None) -> Recipe:
    """``plan``; where it restores a worn JPEG that is blurred, by a network that is told of the blur.

    As far as that is sure: a picture that was soft from the start would go away from what it was, by 2 dB and more.
    Elsewhere the plan stays as it is. Of better JPEGs the faithful expert makes so much that a blur told a little
    wrongly loses: 0.15 dB at quality 90 on a photograph whose blur of 0.8 was read as 0.96.
    """
    if jpeg_quality is None or not may_be_worn(plan, jpeg_quality):
        return plan
    if wear.confidence < SURE or wear.blur < BLURRED_FROM:
        return plan
    told = round(float(np.interp(wear.blur, BLURS, TOLD)) / TOLD_STEP) * TOLD_STEP
    noise = JPEG_NOISE - 2 * round(jpeg_quality / 20)
    deblurring = CUNET_CLEAN_1, srmd_4x(round(told, 1), noise)
    strength = plan.strength * (1 - wear.confidence * (1 - STRENGTH_DEBLURRED))
    return replace(plan, strength=strength, deblurring=deblurring, deblurred=wear.confidence)


def may_be_worn(plan: Recipe, jpeg_quality: int | None) -> bool:
    """Whether ``for_worn`` would change the plan if the source were blurred."""
    is_coarse = jpeg_quality is not None and jpeg_quality < JPEG_WORN_BELOW
    return plan.restoring is not None and plan.strength > 0 and is_coarse
