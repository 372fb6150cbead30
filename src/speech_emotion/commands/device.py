"""`speech-emotion check-graph` and `device-bundle`: graphs and bundles for a small device."""

from pathlib import Path

from speech_emotion.commands.store import check_database
from speech_emotion.errors import UserError
from speech_emotion.params import load_params
from speech_emotion.recorder import Recorder

EXPORTED = Path("artifacts/export")


def check_graph(path: Path, precision: str | None = None) -> str:
    """How TensorRT 8.5 runs each node of an ONNX file, as Markdown.

    Args:
        path: of the ONNX file.
        precision: of the engine; None is int8 if the file holds Q/DQ pairs, else fp32.

    Raises:
        UserError: TensorRT refuses a node or the file, or it is not an ONNX file.
    """
    from speech_emotion.export.graph import read_graph
    from speech_emotion.export.precision import report

    found = report(read_graph(path), precision)
    text = found.markdown(path.name)
    if not found.sound:
        print(text)
        refused = len(found.faults) + len(found.refused)
        raise UserError(f"{path}: TensorRT 8.5 refuses it ({refused} of its parts, listed above): export another graph")
    return text.rstrip()


def device_bundle(
    output: Path | None,
    exported: Path | None = None,
    model: str | None = None,
    source: str = "",
    key: Path | None = None,
    register: bool = False,
) -> str:
    """Makes a device bundle, a folder or a .tar.gz, from an export or a registered model.

    Args:
        output: folder or .tar.gz; None only registers the bundle.
        exported: folder of the export step; None is artifacts/export, unless `model` is given.
        model: models:/name@alias or models:/name/version.
        source: version of the export, for bundle.json; with `model` it is known.
        key: private OpenSSH Ed25519 key to sign the bundle with.
        register: register the bundle as a version of <name>-jetson; needs `model`.

    Returns:
        What was made, and the command that shows it.

    Raises:
        UserError: the export is absent or incomplete, options contradict each other, or `output` holds other files
            that would be removed.
    """
    if model is None and register:
        raise UserError("--register: needs a registered model: add --model models:/speech-emotion@champion")
    if model is not None and (exported is not None or source):
        raise UserError(f"--model = {model}: comes from the registry: leave out --from and --source")
    if output is None and not register:
        raise UserError("output: is missing: give a folder or a .tar.gz file, or add --register")
    from speech_emotion.export.device import check_output, make_device_bundle

    if output is not None:  # before a model is fetched
        check_output(output)
    shown = f"python -m speech_emotion_jetson {output} show"
    if model is None:
        made = make_device_bundle(exported or EXPORTED, output, source=source, key=key)
        return f"{made}: {shown}"
    from speech_emotion.tracking.device import make_from_registry

    params = load_params()
    check_database(params.track.uri)
    said = make_from_registry(model, params.track, params.registry, Recorder(), output, key, register)
    return said if output is None else f"{said}\n{output}: {shown}"
