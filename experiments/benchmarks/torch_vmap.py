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
    step = training_step(workload, runs, compiled, device)
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


def training_step(workload: Workload, runs: int, compiled: bool, device: str) -> Callable[[], None]:
    """A function that makes one step of so many models; their examples are drawn once, before it is timed."""
    import torch

    draw, hyper = batches(workload), workload.hyper
    others = [dict(transformer(workload.config).named_parameters()) for _ in range(runs)]
    params = {
        name: torch.stack([other[name].detach() for other in others]).to(device).requires_grad_()
        for name in others[0]
    }
    optimizer = torch.optim.AdamW(
        params.values(),
        lr=hyper.learning_rate,
        betas=(hyper.b1, hyper.b2),
        weight_decay=hyper.weight_decay,
        fused=device == "cuda",
    )
    total = total_loss(workload, runs, device)
    total = torch.compile(total) if compiled else total
    tokens, labels = (
        torch.stack(rows).to(device) for rows in zip(*(draw() for _ in range(runs)), strict=True)
    )

    def step() -> None:
        optimizer.zero_grad()
        total(params, tokens, labels).backward()
        optimizer.step()

    return step


def total_loss(workload: Workload, runs: int, device: str) -> Callable[..., Any]:
    """The sum of the losses of all models, by `torch.func.vmap`; of one model as one would write it."""
    import torch

    model, read = transformer(workload.config).to(device), list(workload.task.read)

    def loss(params: Any, tokens: Any, labels: Any) -> Any:
        logits = torch.func.functional_call(model, params, (tokens,))[:, read]
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

    if runs == 1:
        return lambda params, tokens, labels: loss(
            {name: x[0] for name, x in params.items()}, tokens[0], labels[0]
        )
    return lambda params, tokens, labels: torch.func.vmap(loss)(params, tokens, labels).sum()
