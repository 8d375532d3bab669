"""One process of a sweep that several write: planted_hosts.py DIRECTORY PORT NUM_PROCESSES PROCESS STEPS
[STOP]
"""

import sys

import jax
import numpy as np
import planted_sweep
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from grokjax import checkpoints


def over_processes(runs):
    """Global arrays [S, ...] over the mesh axis `runs`, S padded to a multiple of the devices."""
    mesh = Mesh(np.array(jax.devices()), ("runs",), axis_types=(AxisType.Auto,))

    def place(leaf):
        leaf = np.concatenate([leaf, np.repeat(leaf[-1:], -len(leaf) % jax.device_count(), axis=0)])
        return jax.make_array_from_callback(
            leaf.shape, NamedSharding(mesh, PartitionSpec("runs")), lambda index: leaf[index]
        )

    return jax.tree.map(place, runs)


def main(directory, port, num_processes, process, steps, stop=None):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", int(num_processes), int(process))
    with checkpoints.resume(directory, planted_sweep.spec(num_runs=3, steps=int(steps))) as writer:
        for part in writer.parts:
            first = part.restore(planted_sweep.target())
            print("from", first and first.number, flush=True)
            for epoch in planted_sweep.epochs(part, first):
                epoch.state = over_processes(epoch.state)
                part.record(epoch)
                if stop and epoch.number == int(stop):
                    break
            part.finish()
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
