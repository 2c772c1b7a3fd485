"""The Residual Masking Reconstruction Network is a Residual Masking Network with two more teachers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hybridfer.deep import NETWORKS
from hybridfer.deep.checkpoints import fit_tensors
from hybridfer.deep.losses import create_loss
from hybridfer.deep.nets.base import Answer
from hybridfer.deep.nets.rmn import rmn18
from hybridfer.deep.nets.rmrn import RMRN, rmrn18, rmrn34
from hybridfer.errors import SpecError

SLIM = {"input_size": 48, "width": 0.125}


def slim(classes: int = 7) -> RMRN:
    """A network that a test can afford."""
    return rmrn18(classes=classes, **SLIM)


def test_its_decoder_has_as_many_parameters_as_computed() -> None:
    with torch.device("meta"):
        net = rmrn34()
        assert sum(p.numel() for p in net.decoder.parameters()) == 1_572_755
        heads = sum(7 * (c + 1) for c in (64, 128, 256, 512))
        assert sum(p.numel() for p in net.parameters()) == 137_796_423 + 1_572_755 + heads


@pytest.mark.parametrize(("size", "doublings"), [(224, 5), (96, 5), (64, 3), (48, 3)])
def test_it_rebuilds_pictures_at_their_size(size: int, doublings: int) -> None:
    with torch.device("meta"):
        net = rmrn18(input_size=size, channels=2, width=0.25).train()
        answer = net(torch.empty(3, 2, size, size))
    assert sum(isinstance(layer, nn.Upsample) for layer in net.decoder) == doublings
    assert answer.reconstruction.shape == (3, 2, size, size)


def test_in_training_each_stage_is_asked_and_the_picture_comes_back() -> None:
    torch.manual_seed(0)
    net = slim(classes=5).train()
    net.fc[0].p = 0.0
    pictures = torch.rand(4, 3, 48, 48)
    seen: dict[int, torch.Tensor] = {}
    for i in (2, 3, 4):
        net.get_submodule(f"layer{i}").register_forward_hook(lambda m, given, o, i=i: seen.update({i - 1: given[0]}))
    answer = net(pictures)
    assert isinstance(answer, Answer)
    assert answer.logits.shape == (4, 5)
    assert [tuple(scores.shape) for scores in answer.margins] == [(4, 5)] * 4
    for stage in (1, 2, 3):  # what goes into the next stage is what this one's head reads the mean of
        head = net.margins[stage - 1]
        expected = seen[stage].mean((2, 3)) @ head.weight.T + head.bias
        torch.testing.assert_close(answer.margins[stage - 1], expected)
    rebuilt = answer.reconstruction.detach()
    assert 0 <= float(rebuilt.min()) < float(rebuilt.max()) <= 1


def test_in_evaluation_it_is_the_network_without_them_and_does_not_run_them() -> None:
    torch.manual_seed(0)
    net = slim().eval()
    plain = rmn18(**SLIM).eval()
    plain.load_state_dict({name: t for name, t in net.state_dict().items() if name in plain.state_dict()})

    def fail(*args: object) -> None:
        raise AssertionError("computed for nothing")

    for extra in (*net.margins, net.decoder):
        extra.register_forward_hook(fail)
    pictures = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.equal(net(pictures), plain(pictures))
    with pytest.raises(AssertionError, match="for nothing"):
        net.train()(pictures)


def test_without_what_training_uses_its_tensors_are_those_of_the_plain_network() -> None:
    torch.manual_seed(0)
    net, bare = slim().eval(), rmrn18(**SLIM, auxiliary=False)
    assert list(bare.state_dict()) == list(rmn18(**SLIM).state_dict())
    bare.load_state_dict({name: t for name, t in net.state_dict().items() if not name.startswith(("margins", "deco"))})
    pictures = torch.rand(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.equal(bare.eval()(pictures), net(pictures))
    assert isinstance(bare.train()(pictures), torch.Tensor)


def test_its_last_linear_layer_is_not_an_auxiliary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NETWORKS.table, "slim-rmrn", "deep.test_rmrn:slim")
    state = slim(classes=4).state_dict()
    fitted, classes = fit_tensors(state, "slim-rmrn", "rmrn.pt")
    assert classes == 4
    assert set(fitted) == set(state)


def test_rebuilding_from_masks_teaches_the_masks_and_from_nothing_is_not_done() -> None:
    torch.manual_seed(0)
    net = rmrn18(**SLIM, mask_act="sigmoid", rec_from="mask").train()
    net(torch.rand(2, 3, 48, 48)).reconstruction.sum().backward()
    taught = {name.split(".")[0] for name, p in net.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {"mask1", "mask2", "mask3", "mask4", "decoder"} <= taught
    assert "fc" not in taught
    bare = rmrn18(**SLIM, rec_from="none").train()
    answer = bare(torch.rand(2, 3, 48, 48))
    assert (answer.reconstruction, len(answer.margins)) == (None, 4)


@pytest.mark.parametrize("mask_act", ["softmax", "none"])
def test_masks_that_say_nothing_of_places_are_not_rebuilt_from(mask_act: str) -> None:
    with pytest.raises(SpecError, match=f"rec_from=mask and mask_act={mask_act} leave nothing to rebuild"):
        rmrn18(**SLIM, mask_act=mask_act, rec_from="mask")
    with pytest.raises(SpecError, match=r"rec_from=pixels is unknown\. Known: features, mask, none\."):
        rmrn18(**SLIM, rec_from="pixels")


def test_its_loss_takes_what_it_gives() -> None:
    torch.manual_seed(0)
    net, loss = slim().train(), create_loss("rmrn")
    pictures, classes = torch.rand(4, 3, 48, 48), torch.tensor([0, 3, 6, 3])
    loss(net(pictures), classes, pictures).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
