"""A policy as one ONNX file: packed with all that it needs, and read as a stranger's file is to be read.

Nothing in it is believed before it is checked: that the file is whole, that it is a policy of ours, that its weights
are inside it and finite. Reading it runs no code, and opens no other file.
"""

import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from agents.policy.metadata import FORMAT, PolicyMetadata, metadata_from
from agents.policy.network import PolicyFileError
from lunar_env.extras import missing

CHECKSUM = "sha256"


def require(package: str, purpose: str) -> Any:
    """A package of the extra ``export``, imported now. Raises PolicyFileError with the remedy if it is not there."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise PolicyFileError(missing(purpose, package)) from error


def pack_onnx(model: Any, metadata: PolicyMetadata) -> bytes:
    """The bytes of a file: a graph without its exporter's traces, and the metadata under a checksum.

    Args:
        model: an ``onnx.ModelProto``; it is changed.
        metadata: goes into ``metadata_props``.
    """
    for part in parts(model):
        for trace in ("metadata_props", "doc_string"):  # where the code stood on this machine is nobody's business
            if trace in part.DESCRIPTOR.fields_by_name:
                part.ClearField(trace)
    del model.graph.value_info[:]  # whoever runs the graph works the shapes out again
    for key, value in metadata.as_texts().items():
        model.metadata_props.add(key=key, value=value)
    body = model.SerializeToString()
    return body + seal(body)


def read_onnx(path: Path) -> tuple[bytes, PolicyMetadata]:
    """The bytes of a policy's file and what they say of themselves. Raises PolicyFileError for what cannot be used."""
    onnx = require("onnx", str(path))
    try:
        data = path.read_bytes()
        model = onnx.load_model_from_string(data)
    except FileNotFoundError:
        raise PolicyFileError(f"no file {path}; write one with `python -m agents.export runs/DIR`") from None
    except OSError as error:
        raise PolicyFileError(f"cannot read {path}: {error.strerror}") from None
    except Exception as error:  # protobuf has several errors for what it cannot take apart
        raise PolicyFileError(f"{path} is cut off or no ONNX file ({type(error).__name__}); export it again") from None
    texts = {entry.key: entry.value for entry in model.metadata_props}
    if texts.get("format") != FORMAT:
        raise PolicyFileError(
            f"{path} has format {texts.get('format')!r}, this version flies {FORMAT!r}; "
            "write it with `python -m agents.export runs/DIR`"
        )
    body = data[: len(data) - len(seal(b""))]
    if CHECKSUM in texts and data != body + seal(body):
        raise PolicyFileError(f"{path} is damaged: its checksum is another; export it again")
    _require_contained(path, model, onnx)
    return data, metadata_from(path, texts)


def seal(body: bytes) -> bytes:
    """What closes a file: one more entry of its metadata, for protobuf joins messages that follow each other."""
    onnx = require("onnx", "a policy's file")
    entry = onnx.StringStringEntryProto(key=CHECKSUM, value=hashlib.sha256(body).hexdigest())
    return onnx.ModelProto(metadata_props=[entry]).SerializeToString()


def parts(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages in it, however deep."""
    single = importlib.import_module("google.protobuf.message").Message
    yield message
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for inner in [value] if isinstance(value, single) else value:
                yield from parts(inner)


def _require_contained(path: Path, model: Any, onnx: Any) -> None:
    """Refuse weights in other files, which may lie anywhere, and weights that are no numbers."""
    for tensor in (part for part in parts(model) if isinstance(part, onnx.TensorProto)):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            where = [entry.value for entry in tensor.external_data if entry.key == "location"]
            raise PolicyFileError(
                f"{path} keeps {tensor.name!r} in another file, {where}, which is not followed; "
                "export it again: all weights belong inside"
            )
        try:
            numbers = onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # sizes that do not fit the data, and types that do not exist
            raise PolicyFileError(f"{path} is damaged at {tensor.name!r} ({error!r}); export it again") from None
        if np.issubdtype(numbers.dtype, np.floating) and not np.isfinite(numbers).all():
            raise PolicyFileError(f"{path}: {tensor.name!r} holds numbers that are not finite; train again")
