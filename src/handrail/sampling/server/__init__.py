"""Language models behind an OpenAI-compatible endpoint: asked, paid for, and remembered."""

from handrail.sampling.server.cache import AnswerCache, Kept
from handrail.sampling.server.endpoint import Endpoint
from handrail.sampling.server.prices import Estimate, Price, Prices, estimate
from handrail.sampling.server.sampler import ServerSampler
from handrail.sampling.server.settings import EndpointSettings

__all__ = [
    "AnswerCache",
    "Endpoint",
    "EndpointSettings",
    "Estimate",
    "Kept",
    "Price",
    "Prices",
    "ServerSampler",
    "estimate",
]
