"""A real engine for a CPU: llama.cpp's own server, on a model of random weights made on the spot.

    python llama.py PORT MODEL.gguf [--embeddings]

Runs in an environment of its own (`make engines` makes it from `requirements/engines.txt`), so it
imports nothing of Batchway. Prints its address once it answers, and serves until it is killed.

The model has two layers and 259 tokens, one for each byte: it says nothing of sense, and says it
fast. What a prompt costs in tokens is its length in bytes, so a test can tell whose answer it got.
"""

# The engine is installed in an environment of its own, which the type checker does not see.
# pyright: reportMissingImports=false, reportUnknownMemberType=false

import sys
import threading
from pathlib import Path
from typing import Any, Final

import gguf
import numpy as np
import xllamacpp

CONTEXT: Final = 512  # tokens for one request, prompt and answer together
_SLOTS: Final = 8
_WIDTH: Final = 64
_INNER: Final = 128
_LAYERS: Final = 2
_HEADS: Final = 4
_TEMPLATE: Final = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}\n{% endfor %}<|assistant|>"
)


def write_model(path: Path, *, seed: int = 7) -> None:
    """Write a Llama of random weights, the same for the same seed."""
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("random")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([*kinds, *[gguf.TokenType.BYTE] * 256])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(_TEMPLATE)
    for name, weights in _weights(len(tokens), np.random.default_rng(seed)).items():
        writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _weights(vocabulary: int, draw: np.random.Generator) -> dict[str, Any]:
    def matrix(*shape: int) -> Any:
        return draw.normal(0, 0.5, shape).astype(np.float32)

    norm = np.ones(_WIDTH, np.float32)
    found = {
        "token_embd.weight": matrix(vocabulary, _WIDTH),
        "output_norm.weight": norm,
        "output.weight": matrix(vocabulary, _WIDTH),
    }
    for layer in range(_LAYERS):
        of = f"blk.{layer}."
        found |= {
            of + "attn_norm.weight": norm,
            of + "attn_q.weight": matrix(_WIDTH, _WIDTH),
            of + "attn_k.weight": matrix(_WIDTH, _WIDTH),
            of + "attn_v.weight": matrix(_WIDTH, _WIDTH),
            of + "attn_output.weight": matrix(_WIDTH, _WIDTH),
            of + "ffn_norm.weight": norm,
            of + "ffn_gate.weight": matrix(_INNER, _WIDTH),
            of + "ffn_up.weight": matrix(_INNER, _WIDTH),
            of + "ffn_down.weight": matrix(_WIDTH, _INNER),
        }
    return found


def serve(port: int, model: Path, *, embeddings: bool) -> None:
    """Serve until killed."""
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(model)
    parameters.model_alias = {"random"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = CONTEXT * _SLOTS
    parameters.n_parallel = _SLOTS
    parameters.cpuparams.n_threads = 1
    parameters.warmup = False
    parameters.endpoint_metrics = True
    if embeddings:
        parameters.embedding = True
        parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    _path = Path(sys.argv[2])
    if not _path.exists():
        write_model(_path)
    serve(int(sys.argv[1]), _path, embeddings="--embeddings" in sys.argv[3:])
