"""Drawing replies: from a model in this process, behind the protocol `Sampler`."""

from handrail.sampling.fitting import Fit, fit
from handrail.sampling.local import LocalSampler

__all__ = ["Fit", "LocalSampler", "fit"]
