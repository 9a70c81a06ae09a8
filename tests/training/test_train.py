import resource

import torch

from training.train import keep_freed_memory


def test_freed_memory_is_there_for_the_next_tensors():
    keep_freed_memory()
    faults = []
    for _ in range(20):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(16 << 20)  # 64 MiB: 16,384 pages
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    # What a tensor leaves can be too short for the next by its alignment, some times.
    assert sum(faults[10:]) < 2 * 16384, faults
