import resource

import torch

from training.train import keep_freed_memory


def test_freed_memory_is_there_for_the_next_tensor():
    keep_freed_memory()
    pages = []
    for _ in range(2):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(16 << 20)  # 64 MiB: 16,384 pages
        pages.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    assert pages[1] < 1000
