#!/usr/bin/env python3
"""GPT-2 here and Hugging Face's GPT2LMHeadModel are the same model: tensors by name and shape, and the evaluation loss,
from here to there and back. Usage: gpt2_huggingface.py PROGRAM, with the packages torch and transformers (any venv)."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import torch
    from safetensors.torch import load_file
    from transformers import GPT2Config, GPT2LMHeadModel
except ImportError as problem:
    print(f"skipped: {problem}")
    sys.exit(0)

LENGTH, BOUND = 48, 1e-4
SIZES = dict(vocab_size=257, bos_token_id=256, eos_token_id=256, n_positions=64, n_embd=96, n_layer=3, n_head=4)
TEXT = "It was a bright cold day in the north, and the clocks were striking; nobody knew how often. Ährenfeld, 42!\n" * 9

CONFIG = f"""
BATCH_SIZE: 4
model: {{type: gpt2, vocab_size: 257, n_positions: 64, n_embd: 96, n_layer: 3, n_head: 4}}
train_data: {{dataset: {{type: TextDataset, path: text.txt, seq_len: {LENGTH}, split: all}}}}
test_data: {{dataset: {{type: TextDataset, path: text.txt, seq_len: {LENGTH}, split: all}}}}
loss: CrossEntropyLoss
optimizer: {{type: AdamW, lr: 3e-3}}
"""


def ctrain(*arguments):
    environment = dict(os.environ, CTRAIN_CACHE=os.path.abspath("cache"))
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True, env=environment).stdout


def train(output, steps, *more):
    ctrain("--config", "config.yaml", "--output", output, "--steps", str(steps), "--quiet", *more)
    checkpoint = f"{output}/checkpoints/step_{steps}"
    evaluated = ctrain("eval", "--config", "config.yaml", "--checkpoint", checkpoint, "--quiet")
    return checkpoint, json.loads(evaluated)["loss"]


def token_ids():
    """Bytes in GPT-2's order: printable ones first; then the end of the document."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order = printable + [byte for byte in range(256) if byte not in printable]
    return [order.index(byte) for byte in TEXT.encode()] + [256]


@torch.no_grad()
def loss_of(model):
    ids, total = torch.tensor(token_ids()), 0.0
    for begin in range(0, len(ids) - 1, LENGTH):
        labels = ids[begin + 1 : begin + LENGTH + 1]
        logits = model.eval()(ids[begin : begin + len(labels)][None]).logits[0]
        total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
    return total / (len(ids) - 1)


def check(what, ours, theirs):
    print(f"{what}: loss {ours:.7f} here, {theirs:.7f} there, difference {abs(ours - theirs):.1e}")
    assert abs(ours - theirs) < BOUND, what


program = os.path.abspath(sys.argv[1])
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("text.txt", "w") as file:
        file.write(TEXT)
    with open("config.yaml", "w") as file:
        file.write(CONFIG)

    model = GPT2LMHeadModel(GPT2Config(**SIZES))
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items() if name != "lm_head.weight"}

    checkpoint, ours = train("trained", 5, "--set", "checkpoints={every: 5}")
    stored = load_file(f"{checkpoint}/model.safetensors")
    assert {name: list(tensor.shape) for name, tensor in stored.items()} == shapes, "names or shapes differ"
    print(f"{len(shapes)} tensors of the same names and shapes")
    missing = model.load_state_dict(stored, strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"]) and not missing.unexpected_keys, missing
    model.tie_weights()
    check("trained here, evaluated there", ours, loss_of(model))

    torch.manual_seed(7)
    model = GPT2LMHeadModel(GPT2Config(**SIZES, initializer_range=0.2))
    for name, part in (("whole", model), ("body", model.transformer)):  # the body's names lack "transformer."
        part.save_pretrained(name)
        _, ours = train(f"from_{name}", 0, "--set", f"model.init_from={name}/model.safetensors")
        check(f"saved there ({name}), evaluated here", ours, loss_of(model))
