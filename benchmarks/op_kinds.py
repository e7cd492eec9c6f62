"""Which kind of work an operator does, by its name as torch's profiler gives it.

Every operator is of one kind. On the CPU Handrail's attention multiplies scores by `bmm` and takes
their softmax by `_softmax`; nothing else in either training loop uses `bmm` but the rotary
frequencies, so it counts as attention, and every softmax is counted with the loss.
"""

from __future__ import annotations

from collections.abc import Iterable

ELSE = "everything else"
TOP = 5  # operators of no kind that are named


def _aten(names: str) -> frozenset[str]:
    return frozenset(f"aten::{name}" for name in names.split())


KINDS: dict[str, frozenset[str]] = {
    "matrix products": _aten(
        "mm addmm addmm_ addmv mv matmul linear linear_backward dot einsum mkldnn_linear"
    ),
    "attention": _aten(
        """
        bmm baddbmm scaled_dot_product_attention _scaled_dot_product_attention_math
        _scaled_dot_product_flash_attention_for_cpu
        _scaled_dot_product_flash_attention_for_cpu_backward
        _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_backward
        _scaled_dot_product_efficient_attention _scaled_dot_product_efficient_attention_backward
        _scaled_dot_product_cudnn_attention _scaled_dot_product_cudnn_attention_backward
        _flash_attention_forward _flash_attention_backward _efficient_attention_forward
        _efficient_attention_backward _cudnn_attention_forward _cudnn_attention_backward
        """
    ),
    "gather and scatter": _aten(
        """
        embedding embedding_dense_backward embedding_backward index index_put index_put_
        _index_put_impl_ index_select index_select_backward index_add index_add_ index_copy
        index_copy_ gather gather_backward scatter scatter_ scatter_add scatter_add_ masked_select
        masked_select_backward cat stack slice_backward select_backward unique_dim _unique2
        argsort sort searchsorted nonzero nonzero_numpy repeat_interleave
        """
    ),
    "norms and activations": _aten(
        """
        add add_ sub sub_ rsub mul mul_ div div_ neg neg_ pow pow_ mean rsqrt rsqrt_ sqrt silu silu_
        silu_backward gelu gelu_backward tanh tanh_ tanh_backward native_layer_norm layer_norm
        native_layer_norm_backward rms_norm _fused_rms_norm _fused_rms_norm_backward addcmul
        addcmul_ cos sin native_dropout dropout
        """
    ),
    "softmax and loss": _aten(
        """
        softmax _softmax _softmax_backward_data log_softmax _log_softmax _log_softmax_backward_data
        logsumexp logaddexp exp exp_ log log_ amax max sum masked_fill masked_fill_
        cross_entropy_loss nll_loss nll_loss_nd nll_loss_forward nll_loss_backward log_sigmoid
        log_sigmoid_forward log_sigmoid_backward sigmoid sigmoid_ sigmoid_backward square
        """
    ),
    "optimizer": _aten(
        """
        _fused_adamw_ _fused_adam_ linalg_vector_norm norm _foreach_norm _foreach_mul_ _foreach_mul
        _foreach_add_ _foreach_addcdiv_ _foreach_addcmul_ _foreach_lerp_ _foreach_sqrt _foreach_div_
        _foreach_clamp_max_ _foreach_clamp_max clamp clamp_ addcdiv_ lerp_
        """
    ),
}
# Names that hold a number or what was compiled; in either loop only FlexAttention is compiled.
STARTS = {
    "Optimizer.": "optimizer",
    "Torch-Compiled Region": "attention",
    "CompiledFunction": "attention",
    "triton_": "attention",
}


def kind_of(name: str) -> str:
    """The kind of an operator."""
    for kind, names in KINDS.items():
        if name in names:
            return kind
    return next((kind for start, kind in STARTS.items() if name.startswith(start)), ELSE)


def shares(seconds: Iterable[tuple[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Each kind's share of all self time, and the shares of the largest operators of no kind."""
    by_kind = dict.fromkeys([*KINDS, ELSE], 0.0)
    others: dict[str, float] = {}
    for name, value in seconds:
        kind = kind_of(name)
        by_kind[kind] += value
        if kind == ELSE:
            others[name] = others.get(name, 0.0) + value
    total = sum(by_kind.values()) or 1.0
    largest = sorted(others, key=lambda name: -others[name])[:TOP]
    return (
        {kind: value / total for kind, value in by_kind.items()},
        {name: others[name] / total for name in largest},
    )
