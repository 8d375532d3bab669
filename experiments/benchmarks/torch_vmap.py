"""Rivals on a card: PyTorch, one seed or many at once by `torch.func.vmap`, and that compiled."""

import time
from collections.abc import Callable
from typing import Any

from experiments.benchmarks.torch_loop import batches, transformer
from experiments.benchmarks.workloads import Workload


def contestant(workload: Workload, runs: int, steps: int, compiled: bool) -> Callable[[], float]:
    """Run-steps per second of AdamW on `runs` models at once, in float32, on the card where there is one."""
    import torch

    torch.set_float32_matmul_precision("highest")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, draw = transformer(workload.config), batches(workload)
    others = [dict(transformer(workload.config).named_parameters()) for _ in range(runs)]
    params = {
        name: torch.stack([other[name].detach() for other in others]).to(device).requires_grad_()
        for name in others[0]
    }
    model, hyper, read = model.to(device), workload.hyper, list(workload.task.read)
    options: dict[str, Any] = dict(fused=True) if device == "cuda" else {}
    optimizer = torch.optim.AdamW(
        params.values(),
        lr=hyper.learning_rate,
        betas=(hyper.b1, hyper.b2),
        weight_decay=hyper.weight_decay,
        **options,
    )

    def loss(params: Any, tokens: Any, labels: Any) -> Any:
        logits = torch.func.functional_call(model, params, (tokens,))[:, read]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

    def total(params: Any, tokens: Any, labels: Any) -> Any:
        return torch.func.vmap(loss, in_dims=(0, 0, 0))(params, tokens, labels).sum()

    if runs == 1:  # as one would write it
        total = lambda params, tokens, labels: loss(
            {name: x[0] for name, x in params.items()}, tokens[0], labels[0]
        )
    whole = torch.compile(total) if compiled else total
    finite = workload.task.finite
    drawn = [torch.stack(rows).to(device) for rows in zip(*(draw() for _ in range(runs)), strict=True)]

    def step() -> None:
        tokens, labels = drawn if finite else [x.roll(1, 0) for x in drawn]  # drawing is not what is timed
        optimizer.zero_grad()
        whole(params, tokens, labels).backward()
        optimizer.step()

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def sample() -> float:
        step()
        wait()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        wait()
        return runs * steps / (time.perf_counter() - began)

    return sample
