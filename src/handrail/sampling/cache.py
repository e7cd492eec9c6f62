"""A key-value cache with room at its end: a new token is written where it belongs.

transformers' own cache layer makes itself anew for every token, which copies all that it holds: a
tenth of the CPU time of sampling short replies to long prompts.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer


class RoomyLayer(DynamicLayer):
    """A `DynamicLayer` whose tensors (B, heads, S, d) are the front of larger ones."""

    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor, room: int) -> None:
        """Begin with these, and with space for `room` tokens more each time it is full."""
        super().__init__()
        self.room = room
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self._hold(keys, values)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Add the newest tokens' keys and values; returns all of them."""
        held = self.keys.shape[-2]
        size = held + key_states.shape[-2]
        if size > self._keys.shape[-2]:
            self._hold(self.keys, self.values, key_states.shape[-2])
        self._keys[..., held:size, :] = key_states
        self._values[..., held:size, :] = value_states
        self.keys, self.values = self._keys[..., :size, :], self._values[..., :size, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows alone."""
        self._hold(self.keys[indices], self.values[indices])

    def select(self, rows_R: Tensor, column_RK: Tensor) -> None:
        """Keep these rows, and of each row these columns."""
        place_RK = (rows_R[:, None], slice(None), column_RK)
        keys, values = (t[place_RK].transpose(1, 2) for t in (self.keys, self.values))
        self._hold(keys, values)

    def _hold(self, keys: Tensor, values: Tensor, more: int = 0) -> None:
        """Copy what is held into new tensors with room for `more` tokens and `room` beyond."""
        held = keys.shape[-2]
        self._keys, self._values = (
            t.new_empty((*t.shape[:-2], held + more + self.room, t.shape[-1]))
            for t in (keys, values)
        )
        self._keys[..., :held, :], self._values[..., :held, :] = keys, values
        self.keys, self.values = self._keys[..., :held, :], self._values[..., :held, :]


def make_room(cache: Any, room: int) -> None:
    """Give every layer of a filled cache that holds all tokens room for `room` more.

    Layers of another kind (sliding windows, recurrent states) stay as they are.
    """
    for n, layer in enumerate(cache.layers):
        if type(layer) is DynamicLayer and layer.is_initialized:
            held: Any = layer
            cache.layers[n] = RoomyLayer(held.keys, held.values, room)
