"""The drop-in modules, judged by PyTorch's own tests of its recurrent modules.

``torch.testing._internal.common_modules`` is the database behind PyTorch's ``test_modules.py``: constructors, inputs,
reference functions and wrong inputs with their errors.
"""

import copy
import io

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence
from torch.testing import assert_close
from torch.testing._internal.common_modules import module_db

from wgpu_rnn import nn

KINDS = {getattr(torch.nn, name): getattr(nn, name) for name in nn.__all__}
SEQUENCES = [torch.nn.RNN, torch.nn.LSTM, torch.nn.GRU]
INFOS = [info for info in module_db if info.module_cls in KINDS]
NAMES = [info.name for info in INFOS]


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


def samples(info):
    """Returns the database's inputs of a module. Those of RNN and GRU can also be packed."""
    options = {"device": "cpu", "dtype": torch.float32, "requires_grad": False, "training": False}
    for packed in [False, True] if info.module_cls in [torch.nn.RNN, torch.nn.GRU] else [False]:
        extra = {"with_packed_sequence": True} if packed else {}
        yield from info.module_inputs_func(info, **extra, **options)


def pair(info, constructor):
    """Returns torch's module and ours with the same parameters."""
    theirs = info.module_cls(*constructor.args, **constructor.kwargs).eval()
    ours = KINDS[info.module_cls](*constructor.args, **constructor.kwargs, layer_options={"device": "cpu"}).eval()
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.mark.parametrize("info", INFOS, ids=NAMES)
def test_the_inputs_of_pytorchs_database(info):
    count = 0
    for sample in samples(info):
        theirs, ours = pair(info, sample.constructor_input)
        call = sample.forward_input
        expected, found = theirs(*call.args, **call.kwargs), ours(*call.args, **call.kwargs)
        assert_close(found, expected)
        # The reference functions add a batch axis, which a packed sequence already has.
        if sample.reference_fn is not None and not isinstance(call.args[0], PackedSequence):
            reference = sample.reference_fn(ours, *call.args, **call.kwargs)
            assert_close(found, reference)
        count += 1
    assert count >= (16 if info.module_cls in SEQUENCES else 2)


@pytest.mark.parametrize("info", INFOS, ids=NAMES)
def test_the_wrong_inputs_of_pytorchs_database(info):
    count = 0
    inputs = info.module_error_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=False, training=False)
    for wrong in inputs:
        sample = wrong.module_error_input
        with pytest.raises(wrong.error_type, match=wrong.error_regex):
            module = KINDS[info.module_cls](*sample.constructor_input.args, **sample.constructor_input.kwargs)
            module(*sample.forward_input.args, **sample.forward_input.kwargs)
        count += 1
    assert count >= 2


@pytest.mark.parametrize("kind", SEQUENCES, ids=lambda kind: kind.__name__)
def test_packed_sequences_in_any_order(kind):
    torch.manual_seed(0)
    theirs = kind(4, 5, num_layers=2, bidirectional=True)
    ours = KINDS[kind](4, 5, num_layers=2, bidirectional=True, layer_options={"device": "cpu"})
    ours.load_state_dict(theirs.state_dict())
    rows = [torch.randn(length, 4) for length in [3, 7, 1, 7]]
    hidden = torch.randn(4, 4, 5)
    state = (hidden, hidden.flip(0)) if kind is torch.nn.LSTM else hidden
    for packed in [
        pack_sequence(rows, enforce_sorted=False),
        pack_padded_sequence(torch.randn(6, 4, 4), [6, 4, 4, 1]),
    ]:
        expected, found = theirs(packed, state), ours(packed, state)
        assert_close(found[0].data, expected[0].data)
        for name in ["batch_sizes", "sorted_indices", "unsorted_indices"]:
            assert_close(getattr(found[0], name), getattr(expected[0], name))
        assert_close(found[1], expected[1])
        assert_close(pad_packed_sequence(found[0]), pad_packed_sequence(expected[0]))


def test_a_changed_parameter_is_noticed():
    module = nn.GRU(4, 5, layer_options={"device": "cpu"})
    x = torch.randn(3, 2, 4)
    before, _ = module(x)
    module.weight_hh_l0.mul_(2)
    after, _ = module(x)
    assert not torch.equal(before, after)
    torch.nn.init.zeros_(module.weight_ih_l0)
    assert not torch.equal(after, module(x)[0])


def test_modules_are_saved_copied_and_part_of_others():
    module = torch.nn.Sequential(nn.LSTM(4, 5, layer_options={"device": "cpu"})).eval()
    x = torch.randn(3, 2, 4)
    expected = module(x)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    other = torch.nn.Sequential(nn.LSTM(4, 5, layer_options={"device": "cpu"}))
    file.seek(0)
    other.load_state_dict(torch.load(file))
    assert_close(other(x), expected, rtol=0, atol=0)
    assert_close(copy.deepcopy(module)(x), expected, rtol=0, atol=0)


def test_what_needs_training_is_refused():
    module = nn.LSTM(4, 5, num_layers=2, dropout=0.5, layer_options={"device": "cpu"})
    with pytest.raises(RuntimeError, match="found one that drops out"):
        module(torch.zeros(3, 2, 4))
    module.eval()(torch.zeros(3, 2, 4))
    with torch.enable_grad(), pytest.raises(RuntimeError, match="computes no gradients"):
        module(torch.zeros(3, 2, 4, requires_grad=True))
