"""bench_operations on small models, and the table of tools/bench/kernel_table.py with times of PyTorch's that are made up.

    kernel_table.py BENCH_OPERATIONS KERNEL_TABLE"""
import contextlib, importlib.util, io, json, pathlib, subprocess, sys, tempfile

sys.dont_write_bytecode = True  # beside the script
bench, script = sys.argv[1:]
specification = importlib.util.spec_from_file_location("kernel_table", script)
kernel_table = importlib.util.module_from_spec(specification)
specification.loader.exec_module(kernel_table)

VIT = """
GLOBAL_BATCH_SIZE: 8
model: {type: vit, img_size: 16, patch_size: 4, hidden_size: 48, depth: 2, num_heads: 3, num_classes: 10}
train_data: {dataset: {type: SyntheticDataset, shape: [3, 16, 16], num_classes: 10, size: 16}}
loss: CrossEntropyLoss
optimizer: {type: AdamW, lr: 1e-4}
"""
GPT2 = """
GLOBAL_BATCH_SIZE: 8
mixed_precision: bf16
model: {type: gpt2, vocab_size: 96, max_position_embeddings: 16, hidden_size: 48, depth: 2, num_heads: 3}
train_data: {dataset: {type: SyntheticDataset, vocab_size: 96, seq_len: 16, size: 16}}
loss: GPTLMLoss
optimizer: {type: SGD, lr: 1e-4}
"""


def table(*arguments):  # exit code, text
    text = io.StringIO()
    sys.argv = [script, *map(str, arguments)]
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            code = kernel_table.main()
        except SystemExit as error:
            code = error.code
    return code, text.getvalue()


def check(folder, model, config, layers):
    (folder / "config.yaml").write_text(config)
    ours, peer = folder / f"{model}.jsonl", folder / "peer.jsonl"
    ours.write_text(subprocess.run([bench, folder / "config.yaml", "1", "2"], check=True, text=True, capture_output=True).stdout)
    operations = kernel_table.read(ours)
    rows = kernel_table.rows_of(operations)
    placed = [json.dumps(o, sort_keys=True) for row in rows for o in row.operations]
    assert sorted(placed) == sorted(json.dumps(o, sort_keys=True) for o in operations), "an operation without a row, or with two"
    assert all(row.ours > 0 for row in rows if row.make), [row.name for row in rows]
    compared = [row for row in rows if row.make]
    kinds = {row.kind for row in compared}
    assert kinds == set(kernel_table.COMPARED), kinds
    for layer in layers:
        for direction in ("forward", "grad input", "grad weight"):
            assert any(row.name.startswith(f"{layer} {direction}") for row in compared), (layer, direction)

    def write_peer(times):
        peer.write_text("".join(json.dumps({"row": name, "ms": ms}) + "\n" for name, ms in times.items()))
        return table(ours, "--peer", peer)
    times = {row.name: row.ours / 1.09 for row in compared}
    code, text = write_peer(times)
    assert code == 0 and "FAIL" not in text, text
    assert f"figure: {len(compared)} of {len(compared)} rows at most 1.10 times" in text, text
    slow = compared[3].name
    code, text = write_peer(times | {slow: compared[3].ours / 1.2})
    assert code == 1 and text.count("FAIL") == 1, text
    assert f"{len(compared) - 1} of {len(compared)} rows" in text and f"the worst 1.20, {slow}" in text, text
    del times[slow]
    code, text = write_peer(times)
    assert code == 1 and "FAIL: not timed" in text, text
    without_attention = [line for line in ours.read_text().splitlines() if '"op":"attention"' not in line]
    ours.write_text("\n".join(without_attention))
    code, text = write_peer(times)
    assert code == 1 and "no row for attention" in text, text


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    check(folder, "vit", VIT, ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "head"])
    check(folder, "gpt2", GPT2, ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"])
    assert table(folder / "nothing.jsonl")[0] == 2
print("passed")
