#!/bin/sh
# Builds TensorRT engines of this bundle's models, on the device that will run them, with trtexec of TensorRT 8.5.
#   sh build_engine.sh [VARIANT ...]      default: every variant that has a file models/VARIANT.flags
# An engine belongs to one GPU and one TensorRT: build again after an update of JetPack.
set -eu
cd "$(dirname "$0")"
for trtexec in "${TRTEXEC:-}" "$(command -v trtexec || true)" /usr/src/tensorrt/bin/trtexec; do
    [ -n "$trtexec" ] && [ -x "$trtexec" ] && break
done
if [ ! -x "$trtexec" ]; then
    echo "error: trtexec: is not there: apt-get install libnvinfer-bin (part of JetPack), or set TRTEXEC" >&2
    exit 1
fi
sha256sum --check --quiet checksums.sha256
[ $# -gt 0 ] || set -- $(ls models/*.flags | sed 's|.*/||; s|\.flags$||')
mkdir -p engines
for variant; do
    if [ ! -f "models/$variant.flags" ]; then
        echo "error: $variant: has no form for TensorRT: choose among $(ls models/*.flags)" >&2
        exit 1
    fi
    # One flag a line; the pins of layers name tensors, which hold no blanks.
    "$trtexec" "--onnx=models/$variant.onnx" "--saveEngine=engines/$variant.plan.new" \
        --profilingVerbosity=detailed $(cat "models/$variant.flags")
    plan=$(sha256sum "engines/$variant.plan.new" | cut -d ' ' -f 1)
    onnx=$(sha256sum "models/$variant.onnx" | cut -d ' ' -f 1)
    printf '{"onnx_sha256": "%s", "plan_sha256": "%s"}\n' "$onnx" "$plan" >"engines/$variant.json"
    mv "engines/$variant.plan.new" "engines/$variant.plan"
    echo "engines/$variant.plan: done; use it with ./run file --backend engine --variant $variant FILE"
done
