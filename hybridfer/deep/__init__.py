"""Networks, the only home of torch: a new one is a file in ``nets/`` and a line in the table.

A line names a factory: a callable that takes the keyword ``classes`` and returns an ``nn.Module`` for RGB pictures
``(n, 3, size, size) float32``. Its last ``nn.Linear``, where it has one, tells the classes apart.
"""

from __future__ import annotations

from hybridfer.registry import Registry

NETWORKS = Registry(
    "networks",
    {
        "resnet18": "hybridfer.deep.nets.resnet:resnet18",
        "resnet34": "hybridfer.deep.nets.resnet:resnet34",
    },
)
