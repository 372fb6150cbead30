"""HTTPS with the user's own certificate, or with one that openssl makes once and that is kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path
from typing import Sequence

from speech_emotion_jetson.errors import UserError

KEPT = Path("~/.config/speech-emotion-jetson")
DAYS = 825  # browsers accept no certificate that is valid for longer
_FIRST = re.compile(  # the block that a server sends
    r"-----BEGIN (?P<kind>(TRUSTED |X509 )?)CERTIFICATE-----.*?-----END (?P=kind)CERTIFICATE-----", re.DOTALL
)


def secure_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The TLS context of a server.

    Args:
        certificate: PEM file.
        key: PEM file of its private key, without a password.

    Raises:
        UserError: the files are not a certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(str(certificate), str(key), password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise UserError(
            f"--certificate = {certificate}, --key = {key}: cannot be used ({error}): give PEM files"
        ) from None
    return context


def own_certificate(names: Sequence[str], folder: Path | None = None) -> tuple[Path, Path]:
    """A self-signed certificate for this device and its key; made if there is none for these names yet.

    Args:
        names: host names and addresses that browsers will use.
        folder: to keep it in; None is KEPT.

    Raises:
        UserError: openssl is not installed or fails, or the folder cannot be written.
    """
    folder = folder or KEPT
    try:
        return _made_once(names, folder.expanduser())
    except (OSError, RuntimeError, KeyError) as error:  # without a home folder: RuntimeError, in Python 3.8 KeyError
        raise UserError(
            f"--tls: {folder}: cannot be written ({error}): set HOME, or give --certificate and --key"
        ) from None


def _made_once(names: Sequence[str], folder: Path) -> tuple[Path, Path]:
    tag = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]
    certificate, key = folder / f"{tag}.crt", folder / f"{tag}.key"
    if certificate.is_file() and key.is_file() and _lasts(certificate):
        return certificate, key
    program = shutil.which("openssl")
    if program is None:
        raise UserError("--tls: openssl is not there: apt-get install openssl, or give --certificate and --key")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
    with tempfile.TemporaryDirectory(dir=str(folder)) as scratch:
        made, made_key = Path(scratch) / "crt", Path(scratch) / "key"
        command = [program, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-days", str(DAYS), "-subj", "/CN=speech emotion on this device"]
        command += ["-addext", f"subjectAltName={alternatives}", "-keyout", str(made_key), "-out", str(made)]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode:
            said = finished.stderr.strip().splitlines()
            raise UserError(f"--tls: openssl made no certificate ({said[-1] if said else finished.returncode})")
        made_key.chmod(0o600)
        os.replace(made_key, key)
        os.replace(made, certificate)
    return certificate, key


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a PEM certificate as browsers show it; raises UserError unless a plain certificate comes first."""
    text = certificate.read_text(encoding="ascii", errors="replace")  # there may be notes between the blocks
    first = _FIRST.search(text)
    if first is None or first["kind"]:
        raise UserError(
            f"--certificate = {certificate}: {'first block is not' if first else 'holds no'} BEGIN CERTIFICATE: "
            f"openssl x509 -in {certificate} -out NEW.crt writes one"
        )
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def _lasts(certificate: Path) -> bool:
    """Whether it is valid for another day; True if openssl is not installed."""
    program = shutil.which("openssl")
    if program is None:
        return True
    command = [program, "x509", "-checkend", "86400", "-noout", "-in", str(certificate)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _is_address(name: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, name)
        except OSError:
            continue
        return True
    return False
