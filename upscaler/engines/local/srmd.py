"""What SRMD's networks take beside the picture: the blur and the noise that it is thought to have gone through.

SRMD (Zhang, Zuo, Zhang: "Learning a Single Convolutional Super-Resolution Network for Multiple Degradations", CVPR
2018) takes a blur kernel of 15 x 15 result pixels as its 15 principal components and the noise as a number, each
spread over a plane of its own. The ``srmdnf`` networks know no noise.
"""

from __future__ import annotations

from typing import Final

import numpy as np

NO_BLUR: Final = 0.01
"""The narrowest kernel: a single pixel, for a picture that was only shrunk."""
MOST_BLUR: Final = 4.6

_COMPONENTS = {
    0.01: (0, 0, 0.018564, 0, 0.033529, 0, 0, -0.031623, -0.013517, 0, 0.038475, 0, -0.244917, -0.802213, -0.54055),
    0.8: (0, 0, -0.011984, 0, -0.027319, 0, 0, 0.029365, 0.018907, 0, -0.050539, 0, 0.08285, -0.131305, -0.310531),
    1.2: (0, 0, 0.00595, 0, 0.003685, 0, 0, -0.001512, -0.005756, 0, -0.037401, 0, 0.054597, -0.003923, -0.225293),
    1.6: (0, 0, 7.7e-05, 0, 0.008624, 0, 0, -0.009831, -0.012313, 0, -0.015724, 0, 0.013242, 0.033769, -0.170858),
    2.0: (0, 0, -0.003739, 0, 0.004817, 0, 0, -0.005759, -0.006138, 0, 0.000336, 0, -0.010866, 0.04391, -0.133221),
    2.4: (0, 0, -0.001757, 0, 6.2e-05, 0, 0, 0.000812, 0.001952, 0, 0.010093, 0, -0.022327, 0.044347, -0.10643),
    2.8: (0, 0, 0.002283, 0, -0.003837, 0, 0, 0.006328, 0.008132, 0, 0.015267, 0, -0.027042, 0.041637, -0.087268),
    3.2: (0, 0, 0.006064, 0, -0.006663, 0, 0, 0.010205, 0.012124, 0, 0.017725, 0, -0.028567, 0.038319, -0.073589),
    3.6: (0, 0, 0.008965, 0, -0.008616, 0, 0, 0.012763, 0.014551, 0, 0.01875, 0, -0.028705, 0.03528, -0.06378),
    4.0: (0, 0, 0.011047, 0, -0.009947, 0, 0, 0.014425, 0.016004, 0, 0.019067, 0, -0.028294, 0.032738, -0.056652),
    4.6: (0, 0, 0.013085, 0, -0.011204, 0, 0, 0.015909, 0.017174, 0, 0.018983, 0, -0.027399, 0.029807, -0.049256),
}
"""The principal components of Gaussian kernels, by their sigma in result pixels."""


def planes(blur: float, noise: float | None = None) -> tuple[float, ...]:
    """The values of the constant planes, in the networks' order.

    ``blur``: the sigma of a Gaussian in result pixels, from ``NO_BLUR`` to ``MOST_BLUR``; beyond, the nearest of these
    counts. Between the sigmas of the table, kernels are mixed. ``noise``: its deviation in levels of 255; None for the
    networks that know none.
    """
    sigmas = list(_COMPONENTS)
    mixed = [float(np.interp(blur, sigmas, values)) for values in zip(*_COMPONENTS.values(), strict=True)]
    return (*mixed, *(() if noise is None else (noise / 255,)))
