"""Networks, the only home of torch: a new one is a file in ``nets/`` and a line in the table.

A line names a factory: a callable that takes the keywords ``classes, channels, input_size, width``, all with defaults,
and returns an ``nn.Module`` for pictures ``(n, channels, size, size) float32``. Evaluating, it returns scores ``(n,
classes)``; training, those or an :class:`~hybridfer.deep.nets.base.Answer`. Its last ``nn.Linear``, where it has one,
tells the classes apart. It may say more of itself: ``from_published(state)`` gives its own names to the tensors of the
authors' files, and ``published`` says what those want to be shown (``mean``, ``std``, ``grey``); ``fixed_size = True``:
it takes pictures of its ``input_size`` alone; ``deployed`` has the options with which it is used once trained; ``loss``
is what it is trained with; ``looks_at`` names the layer whose maps tell where it looked.
"""

from __future__ import annotations

from hybridfer.registry import Registry

NETWORKS = Registry(
    "networks",
    {
        "alexnet-emotion": "hybridfer.deep.nets.alexnet:alexnet_emotion",
        "arm": "hybridfer.deep.nets.arm:arm",
        "bam-resnet50": "hybridfer.deep.nets.attention:bam_resnet50",
        "cbam-resnet50": "hybridfer.deep.nets.attention:cbam_resnet50",
        "resnet18": "hybridfer.deep.nets.resnet:resnet18",
        "resnet34": "hybridfer.deep.nets.resnet:resnet34",
        "resnet50": "hybridfer.deep.nets.resnet:resnet50",
        "resnet152": "hybridfer.deep.nets.resnet:resnet152",
        "rmn": "hybridfer.deep.nets.rmn:rmn34",
        "rmn18": "hybridfer.deep.nets.rmn:rmn18",
        "rmrn": "hybridfer.deep.nets.rmrn:rmrn34",
        "rmrn18": "hybridfer.deep.nets.rmrn:rmrn18",
        "vgg13": "hybridfer.deep.nets.vgg:vgg13",
        "vgg19": "hybridfer.deep.nets.vgg:vgg19",
    },
)

GRAPHS = Registry("graphs", {"yunet": "hybridfer.faces.detectors.yunet:GRAPH"})
"""Networks that run as the ONNX file they came in: a line names a :class:`~hybridfer.deep.graphs.Graph`."""

TRAINERS = Registry("trainers", {"mtcnn-improved": "hybridfer.deep.detection.training:train_detector"})
"""What ``hybridfer train`` trains: a line names a function of data, output and keywords; see it for which."""

LOSSES = Registry(
    "losses",
    {
        "centre": "hybridfer.deep.losses:Centre",
        "cross-entropy": "hybridfer.deep.losses:CrossEntropy",
        "focal": "hybridfer.deep.losses:Focal",
        "improved-island": "hybridfer.deep.losses:ImprovedIsland",
        "island": "hybridfer.deep.losses:Island",
        "kl": "hybridfer.deep.losses:Divergence",
        "rmrn": "hybridfer.deep.losses:Masking",
    },
)
"""What training descends: a line names a :class:`~hybridfer.deep.losses.Loss`."""

RUNTIMES = Registry(
    "runtimes",
    {
        "onnxruntime": "hybridfer.deep.runtimes:on_onnxruntime",
        "openvino": "hybridfer.deep.runtimes:on_openvino",
        "torch": "hybridfer.deep.runtimes:on_torch",
    },
)
"""What a trained network can be asked by: a line names a function of folder, card and device that makes one."""
