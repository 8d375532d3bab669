"""The second rival: straightforward PyTorch, one seed after another. torch is no dependency: without it there
is no such rival.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

from experiments.benchmarks.measuring import seconds
from experiments.benchmarks.workloads import Workload
from grokjax import tasks
from grokjax.config import ModelConfig

STEPS = 5


def contestant(workload: Workload) -> Callable[[], float] | None:
    """Run-steps per second with torch's default threads; None where torch is not installed. Another seed
    takes as long.
    """
    if importlib.util.find_spec("torch") is None:
        return None
    step = training_step(workload)

    def sample() -> float:
        step()  # untimed: caches and freed memory are as the contestant before has left them
        return STEPS / seconds(lambda: [step() for _ in range(STEPS)])

    sample()
    return sample


def training_step(workload: Workload) -> Callable[[], float]:
    """A function that makes one step of a new run and returns its loss in nats."""
    import torch

    model, draw = transformer(workload.config), batches(workload)
    hyper = workload.hyper
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=hyper.learning_rate,
        betas=(hyper.b1, hyper.b2),
        weight_decay=hyper.weight_decay,
    )
    read = list(workload.task.read)

    def step() -> float:
        tokens, labels = draw()
        logits = model(tokens)[:, read]
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def transformer(config: ModelConfig) -> Any:
    """The presets' model: learned positions, causal attention by einsum, ReLU, no layer norm."""
    import torch
    from torch import nn

    D, H, K, M = config.d_model, config.num_heads, config.head_width, config.mlp_width
    weight = lambda *shape, width=D: nn.Parameter(torch.randn(*shape) / width**0.5)

    class Block(nn.Module):
        """Attention and an MLP, each added to what comes in."""

        def __init__(self) -> None:
            super().__init__()
            self.W_Q, self.W_K, self.W_V, self.W_O = (
                weight(H, D, K),
                weight(H, D, K),
                weight(H, D, K),
                weight(H, K, D),
            )
            self.into, self.out = nn.Linear(D, M), nn.Linear(M, D)

        def forward(self, x: Any) -> Any:
            q, k, v = (torch.einsum("bpd,hdk->bhpk", x, W) for W in (self.W_Q, self.W_K, self.W_V))
            scores = torch.einsum("bhqk,bhpk->bhqp", q, k) / K**0.5
            hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device).triu(1)
            pattern = scores.masked_fill(hidden, float("-inf")).softmax(-1)
            x = x + torch.einsum("bhqp,bhpk,hkd->bqd", pattern, v, self.W_O)
            return x + self.out(torch.relu(self.into(x)))

    class Transformer(nn.Module):
        """Tokens [B, P] to logits [B, P, O]."""

        def __init__(self) -> None:
            super().__init__()
            self.W_E, self.W_pos = weight(config.vocabulary, D), weight(config.num_positions, D)
            self.blocks = nn.Sequential(*(Block() for _ in range(config.num_layers)))
            self.W_U = weight(D, config.num_outputs)

        def forward(self, tokens: Any) -> Any:
            return self.blocks(self.W_E[tokens] + self.W_pos[: tokens.shape[1]]) @ self.W_U

    return Transformer()


def batches(workload: Workload) -> Callable[[], tuple[Any, Any]]:
    """Draws (tokens, labels): fresh problems of an addition, the same training set of a table."""
    import torch

    task = workload.task
    if isinstance(task, tasks.Addition):
        return lambda: additions(task)
    table = task.table()
    train, _ = tasks.split(len(table.tokens), float(workload.hyper.train_fraction), 0)
    whole = torch.tensor(table.tokens[train]).long(), torch.tensor(table.labels[train]).long()
    return lambda: whole


def additions(task: tasks.Addition) -> tuple[Any, Any]:
    """A fresh batch, most significant digit first, in sequence or in single mode."""
    import torch

    size, n, base = task.batch_size or 0, task.num_digits, task.base
    a, b = torch.randint(0, base, (2, size, n))
    answer, carry = torch.zeros(size, n + 1, dtype=torch.long), torch.zeros(size, dtype=torch.long)
    for place in reversed(range(n)):
        total = a[:, place] + b[:, place] + carry
        answer[:, place + 1], carry = total % base, total // base
    answer[:, 0] = carry
    sign = lambda token: torch.full((size, 1), token)
    shown, labels = (
        (answer[:, :-1], answer)
        if task.mode == "sequence"
        else (answer[:, :0], answer[:, [n - (task.digit or 0)]])
    )
    return torch.cat([a, sign(base), b, sign(base + 1), shown], 1), labels
