#!/bin/sh
# Builds TensorRT engines of this bundle's models with trtexec of TensorRT 8.5, on the device that will run them.
#   ./build_engine.sh [VARIANT ...]       default: every variant that has a file models/VARIANT.flags
# An engine works only with one GPU and one TensorRT version: build again after an update of JetPack.
#
# models/VARIANT.flags holds trtexec's flags, one per line: the model, the precisions, and a pin for each layer whose
# precision matters (see OPERATORS.md). The models' shapes are fixed, so trtexec needs no --shapes.
#   CONSTRAINTS=prefer  build even if a pin cannot be kept (default: obey, which fails)
#   WORKSPACE=1024      MiB that tactics may use
#   TRTEXEC=path        another trtexec
set -eu
cd "$(dirname "$0")"
trtexec=${TRTEXEC:-$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)}
if [ ! -x "$trtexec" ]; then
    echo "error: trtexec: is not there: apt-get install libnvinfer-bin (part of JetPack), or set TRTEXEC" >&2
    exit 1
fi
sha256sum --check --quiet checksums.sha256

build() {
    variant=$1
    if [ ! -f "models/$variant.flags" ]; then
        echo "error: $variant: is not for TensorRT: choose among" models/*.flags >&2
        return 1
    fi
    model=$(sed -n 's/^--onnx=//p' "models/$variant.flags")
    set --
    while IFS= read -r flag; do
        set -- "$@" "$flag"
    done <"models/$variant.flags"
    "$trtexec" "$@" "--precisionConstraints=${CONSTRAINTS:-obey}" "--memPoolSize=workspace:${WORKSPACE:-1024}" \
        --timingCacheFile=engines/timing.cache --buildOnly --profilingVerbosity=detailed \
        "--exportLayerInfo=engines/$variant.layers.json" "--saveEngine=engines/$variant.plan.new" </dev/null
    plan=$(sha256sum "engines/$variant.plan.new" | cut -d ' ' -f 1)
    onnx=$(sha256sum "$model" | cut -d ' ' -f 1)
    printf '{"onnx_sha256": "%s", "plan_sha256": "%s"}\n' "$onnx" "$plan" >"engines/$variant.json"
    mv "engines/$variant.plan.new" "engines/$variant.plan"
    echo "engines/$variant.plan: done; use it with ./run file --backend engine --variant $variant FILE"
}

mkdir -p engines
trap 'rm -f engines/*.plan.new' EXIT
if [ $# -eq 0 ]; then
    for flags in models/*.flags; do
        flags=${flags#models/}
        set -- "$@" "${flags%.flags}"
    done
fi
for wanted; do
    build "$wanted"
done
