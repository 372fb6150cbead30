"""Verifies who made a bundle: an Ed25519 signature of checksums.sha256, by `ssh-keygen -Y verify` of OpenSSH 8.1.

OpenSSH is part of L4T, so nothing has to be installed, and people already have its keys.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from speech_emotion_jetson.checksums import CHECKSUMS
from speech_emotion_jetson.errors import UserError

SIGNATURE = "signature"
NAMESPACE = "speech-emotion-bundle"  # a signature made for another purpose is not accepted
SIGNER = "bundle"  # the name in front of the key in the file of trusted keys


def verify_signature(folder: Path, trusted: Path) -> None:
    """Verifies that a bundle's checksums were signed with a trusted key.

    Args:
        folder: of the bundle.
        trusted: file of public keys, one per line: `bundle ssh-ed25519 AAAA...`.

    Raises:
        UserError: there is no signature or one by another key, or ssh-keygen is not installed.
    """
    if not trusted.is_file():
        raise UserError(f"--trust = {trusted}: is not there: write `{SIGNER} ` and the maker's public key into it")
    if not any(line.startswith(f"{SIGNER} ") for line in trusted.read_text("utf-8", "replace").splitlines()):
        raise UserError(
            f"--trust = {trusted}: holds no line `{SIGNER} ssh-ed25519 ...`: write `{SIGNER} ` before the key"
        )
    if not (folder / SIGNATURE).is_file():
        raise UserError(f"{folder / SIGNATURE}: is not there: ask the maker for a signed bundle, or omit --trust")
    program = shutil.which("ssh-keygen")
    if program is None:
        raise UserError("ssh-keygen: is not there: apt-get install openssh-client, or omit --trust")
    command = [program, "-Y", "verify", "-f", str(trusted), "-I", SIGNER, "-n", NAMESPACE]
    with open(folder / CHECKSUMS, "rb") as signed:
        finished = subprocess.run(
            [*command, "-s", str(folder / SIGNATURE)], stdin=signed, capture_output=True, text=True, check=False
        )
    if finished.returncode:
        said = (finished.stderr or finished.stdout).strip().splitlines()
        raise UserError(
            f"{folder / SIGNATURE}: is not by a key in {trusted} ({said[-1] if said else 'refused'}): "
            "get the bundle from its maker"
        )
