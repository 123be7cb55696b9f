#!/usr/bin/env python3
"""Sets ctrain's kernels beside PyTorch's at the same shapes, a row for each, with a verdict: at most 1.10 times its time.

    bench_operations CONFIG cuda > ours.jsonl
    kernel_table.py ours.jsonl [--peer FILE] [--save FILE] [--device cuda|cpu] [--runs N]

--peer: PyTorch's times, as --save wrote them; without it they are taken here. Without torch the table has our column alone.
Both are medians of runs on the device alone, over the same number of sets of operands; a backward kernel is timed without
its forward pass. Where ours does more than a product or a norm in one kernel (+ bias, GELU, a residual), PyTorch does the same
in as many as it takes. Milliseconds of one call; of AdamW, of all parameters.
Exit code: 0 every comparison passed, or there is none; 1 some did not; 2 the files are wrong."""
import argparse, json, re, statistics, sys, time
from math import prod

LIMIT = 1.10
COMPARED = ["product forward", "product grad input", "product grad weight", "attention", "attention grad", "layer norm",
            "layer norm grad", "cross-entropy", "optimizer"]  # kinds that a transformer's table must have
PRODUCTS = {"linear": "", "linear_residual": " + residual", "linear_gelu": " + gelu", "matmul": "",
            "matmul_gelu_grad": " + gelu grad", "linear_grad_weight": " + bias grad"}


class Row:
    """One line of the table: operations of ours, and what PyTorch does instead of them (None: nothing is compared)."""

    def __init__(self, name, kind=None, make=None, once=True):
        self.name, self.kind, self.make, self.once = name, kind, make, once
        self.operations = []

    @property
    def ours(self):
        return sum(o["ms"] * (1 if self.once else o["count"]) for o in self.operations)


def size(operand, names=None):
    return prod(n for d, n in zip(operand["dims"], operand["shape"]) if names is None or d in names)


def product_row(o):
    """x w + b and its gradients; tokens x inputs x outputs of the layer are read off the operands' names."""
    (a, b), c = o["inputs"][:2], o["outputs"][0]
    inner = [d for d in a["dims"] if d in b["dims"] and d not in c["dims"]]
    rows, columns = ([d for d in x["dims"] if d not in inner] for x in (a, b))
    extra, dtype = PRODUCTS[o["op"]], a["dtype"]
    if any(d in columns for d in rows):
        return None  # batched
    m, k, n = size(a, rows), size(a, inner), size(b, columns)
    gelu = {"approximate": "tanh" if o["attributes"].get("kind") == "gelu_tanh" else "none"}
    layer = re.sub(r"^.*\.\d+\.|\.weight$", "", o["parameter"])  # in any block
    if o["phase"] == "forward":
        direction = "forward"
        def make(t):
            x, w, bias, other = t.real(m, k), t.real(n, k), t.real(n), t.real(m, n)
            linear = (lambda: t.F.linear(x, w, bias)) if o["op"] != "matmul" else (lambda: t.F.linear(x, w))
            if "residual" in extra: return lambda: linear() + other
            if "gelu" in extra: return lambda: t.F.gelu(linear(), **gelu)
            return linear
    elif "b" in c["dims"]:
        direction = "grad input"
        def make(t):
            dy, w, u = t.real(m, k), t.real(k, n), t.real(m, n)
            if "gelu" in extra: return lambda: t.torch.ops.aten.gelu_backward(t.torch.mm(dy, w), u, **gelu)
            return lambda: t.torch.mm(dy, w)
    else:
        direction = "grad weight"
        def make(t):
            x, dy = t.real(k, m), t.real(k, n)
            if "bias" in extra: return lambda: (t.torch.mm(dy.t(), x), dy.sum(0))
            return lambda: t.torch.mm(dy.t(), x)
    return Row(f"{layer} {direction}{extra}  [{m}, {k}] [{k}, {n}] {dtype}", f"product {direction}", make)


def attention_row(o):
    packed, grad = o["inputs"][0], o["op"] == "attention_grad"
    if packed["dims"] != ["b", "s", "t", "n", "d"]:
        return None
    b, s, _, n, d = packed["shape"]
    options = {"is_causal": bool(o["attributes"].get("causal", 0)), "dropout_p": float(o["attributes"].get("rate", 0))}

    def make(t):
        q, k, v = (t.real(b, s, n, d).transpose(1, 2).requires_grad_(grad) for _ in range(3))
        forward = lambda: t.F.scaled_dot_product_attention(q, k, v, **options)
        if not grad: return forward
        y, dy = forward(), t.real(b, s, n, d).transpose(1, 2)
        return lambda: t.torch.autograd.grad(y, (q, k, v), dy, retain_graph=True)
    kind = "attention grad" if grad else "attention"
    return Row(f"{kind}  [{b}, {s}, {n}, {d}] {packed['dtype']}", kind, make)


def layer_norm_row(o):
    grad = o["op"] == "layer_norm_grad_fused"
    x, plain = o["inputs"][0], 5 if grad else 3
    width, rows = x["shape"][-1], prod(x["shape"][:-1])
    residual = len(o["inputs"]) > plain

    def make(t):
        x, other, w, bias = t.real(rows, width), t.real(rows, width), t.real(width), t.real(width)
        if not grad:
            return lambda: t.F.layer_norm(x + other if residual else x, (width,), w, bias)
        _, mean, deviation = t.torch.native_layer_norm(x, (width,), w, bias, 1e-6)
        dy = t.real(rows, width)

        def backward():
            dx, dw, db = t.torch.ops.aten.native_layer_norm_backward(dy, x, (width,), mean, deviation, w, bias, [True] * 3)
            return dx + other if residual else dx
        return backward
    kind = "layer norm grad" if grad else "layer norm"
    return Row(f"{kind}{' + residual' if residual else ''}  [{rows}, {width}] {x['dtype']}", kind, make)


def cross_entropy_row(operations):
    logits = next(o for o in operations if "cross_entropy" in o["op"])["inputs"][0]
    rows, classes = prod(logits["shape"][:-1]), logits["shape"][-1]

    def make(t):
        x, labels = t.real(rows, classes).requires_grad_(), t.torch.zeros(rows, dtype=t.torch.long, device=t.device)
        return lambda: t.torch.autograd.grad(t.F.cross_entropy(x.float(), labels), x)
    row = Row(f"cross-entropy and its gradient  [{rows}, {classes}] {logits['dtype']}", "cross-entropy", make)
    row.operations = operations
    return row


def optimizer_row(operations):
    sizes = []
    for o in operations:
        tensors = len(o["inputs"]) - len(o["outputs"])
        step = len(o["inputs"]) // tensors
        sizes += [size(x) for x in o["inputs"][::step]] * o["count"]
    adam, constants = operations[0]["op"] == "adam_update", operations[0]["attributes"]

    def make(t):
        parameters = [t.torch.rand(n, device=t.device).requires_grad_() for n in sizes]
        for p in parameters: p.grad = t.torch.rand_like(p)
        fused = {"fused": True} if t.device == "cuda" else {}
        if not adam: return t.torch.optim.SGD(parameters, lr=1e-4, **fused).step
        kind = t.torch.optim.AdamW if constants.get("decoupled") else t.torch.optim.Adam
        return kind(parameters, lr=1e-4, **fused).step
    row = Row(f"{operations[0]['op']}  {sum(sizes)} parameters", "optimizer", make, once=False)
    row.operations = operations
    return row


def rows_of(operations):
    """The table's rows: what is compared in the order of the step, then the rest."""
    compared, rest, losses, updates = [], [], [], []
    for o in operations:
        if o["op"] in ("adam_update", "sgd_update"):
            updates.append(o)
        elif "cross_entropy" in o["op"] or (o["op"].startswith("class_") and o["op"] != "class_place"):
            losses.append(o)
        else:
            row = None
            if o["op"] in PRODUCTS and not o.get("accumulate"): row = product_row(o)
            if o["op"] in ("attention", "attention_grad"): row = attention_row(o)
            if o["op"] in ("layer_norm_fused", "layer_norm_grad_fused"): row = layer_norm_row(o)
            if row is None:
                shapes = " ".join(str(x["shape"]) for x in o["inputs"][:2])
                row = Row(f"{o['op']}{', many' if len(o['inputs']) > 8 else ''}  {shapes} {o['inputs'][0]['dtype']}")
            row.operations = [o]
            (rest if row.make is None else compared).append(row)
    if any("cross_entropy" in o["op"] for o in losses): compared.append(cross_entropy_row(losses))
    if updates: compared.append(optimizer_row(updates))
    return compared + rest


class Torch:
    """What the rows need of PyTorch, and how their functions are timed."""

    def __init__(self, device, runs):
        import torch
        self.torch, self.F, self.device, self.runs = torch, torch.nn.functional, device, runs
        self.types = {"fp64": torch.float64, "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

    def real(self, *shape):
        return (2 * self.torch.rand(*shape, device=self.device) - 1).to(self.dtype)

    def milliseconds(self, row):
        self.dtype = self.types[row.operations[-1]["inputs"][0]["dtype"]]  # of real()
        sets = [row.make(self) for _ in range(min(o["sets"] for o in row.operations))]
        def round():
            for run in sets: run()
        for _ in range(3): round()
        times = []
        for _ in range(self.runs):
            if self.device == "cuda":
                begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
                self.torch.cuda._sleep(40_000_000)  # the host enqueues the whole round meanwhile: no gaps
                begin.record(); round(); end.record()
                self.torch.cuda.synchronize()
                times.append(begin.elapsed_time(end) / len(sets))
            else:
                begin = time.perf_counter()
                round()
                times.append((time.perf_counter() - begin) * 1e3 / len(sets))
        return statistics.median(times)


def peer_times(rows, options):
    """PyTorch's milliseconds by row, or None where there is no PyTorch for the device."""
    if options.peer:
        return {line["row"]: line["ms"] for line in read(options.peer)}
    try:
        torch = Torch(options.device, options.runs)
    except ImportError:
        return None
    if options.device == "cuda" and not torch.torch.cuda.is_available():
        return None
    return {row.name: torch.milliseconds(row) for row in rows if row.make is not None}


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.startswith("{")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours")
    parser.add_argument("--peer")
    parser.add_argument("--save")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    try:
        rows = rows_of(read(options.ours))
        if not rows: raise ValueError(f"{options.ours}: no operations")
        theirs = peer_times(rows, options)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(print(f"kernel_table.py: {error!r}", file=sys.stderr) or 2)
    if options.save:
        with open(options.save, "w") as file:
            for name, ms in (theirs or {}).items(): print(json.dumps({"row": name, "ms": ms}), file=file)

    width = max(len(row.name) for row in rows)
    print(f"{'operation, shapes':<{width}} {'calls':>5} {'ours ms':>9} {'theirs':>9} {'ratio':>6}  verdict")
    ratios = {}
    for row in rows:
        calls = 1 if not row.once else row.operations[-1]["count"]
        line = f"{row.name:<{width}} {calls:>5} {row.ours:>9.4f}"
        if theirs and row.name in theirs:
            ratio = ratios[row.name] = row.ours / theirs[row.name]
            line += f" {theirs[row.name]:>9.4f} {ratio:>6.2f}  {'pass' if ratio <= LIMIT else 'FAIL'}"
        elif theirs and row.make is not None:
            line += f" {'-':>9} {'-':>6}  FAIL: not timed"
            ratios[row.name] = float("inf")
        print(line)
    if theirs is None:
        print(f"PyTorch is not here, or not for {options.device}: our column alone")
        return 0
    passed = sum(ratio <= LIMIT for ratio in ratios.values())
    missing = [kind for kind in COMPARED if kind not in {row.kind for row in rows}]
    if missing: print("FAIL: no row for " + ", ".join(missing))
    if ratios:
        worst = max(ratios, key=ratios.get)
        print(f"figure: {passed} of {len(ratios)} rows at most {LIMIT:.2f} times PyTorch's; the worst {ratios[worst]:.2f}, {worst}")
    return 0 if passed == len(ratios) and not missing else 1


if __name__ == "__main__":
    sys.exit(main())
