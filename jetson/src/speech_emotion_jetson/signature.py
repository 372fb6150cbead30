"""Who made a bundle: an Ed25519 signature of checksums.sha256 that `ssh-keygen -Y verify` of OpenSSH 8.1 checks.

OpenSSH is part of L4T; its keys are those that people already have, and nothing has to be installed.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from speech_emotion_jetson.checksums import CHECKSUMS
from speech_emotion_jetson.errors import UserError

SIGNATURE = "signature"
NAMESPACE = "speech-emotion-bundle"  # a signature made for another purpose does not count
SIGNER = "bundle"  # the name in front of the key in the file of trusted keys


def verify_signature(folder: Path, trusted: Path) -> None:
    """Accepts a bundle whose checksums were signed with a trusted key.

    Args:
        trusted: file of public keys, a line each: `bundle ssh-ed25519 AAAA...`.

    Raises:
        UserError: no signature, another's, or no ssh-keygen to check it with.
    """
    if not trusted.is_file():
        raise UserError(f"--trust = {trusted}: is not there: write `{SIGNER} ` and the maker's public key into it")
    if not any(line.startswith(f"{SIGNER} ") for line in trusted.read_text("utf-8", "replace").splitlines()):
        raise UserError(
            f"--trust = {trusted}: holds no line `{SIGNER} ssh-ed25519 ...`: write `{SIGNER} ` before the key"
        )
    if not (folder / SIGNATURE).is_file():
        raise UserError(f"{folder / SIGNATURE}: is not there: ask the maker for a signed bundle, or leave out --trust")
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError("ssh-keygen: is not there: apt-get install openssh-client, or leave out --trust")
    command = [program, "-Y", "verify", "-f", str(trusted), "-I", SIGNER, "-n", NAMESPACE]
    with open(folder / CHECKSUMS, "rb") as signed:
        finished = subprocess.run(
            [*command, "-s", str(folder / SIGNATURE)], stdin=signed, capture_output=True, text=True, check=False
        )
    if finished.returncode:
        said = (finished.stderr or finished.stdout).strip().splitlines()
        raise UserError(
            f"{folder / SIGNATURE}: is not by a key of {trusted} ({said[-1] if said else 'refused'}): "
            "get the bundle from its maker"
        )
