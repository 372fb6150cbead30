"""HTTPS with a self-signed certificate and with the user's."""

import hashlib
import shutil
import socket
import ssl
import subprocess
import urllib.request
from pathlib import Path

import pytest

from speech_emotion_jetson import tls
from speech_emotion_jetson.errors import UserError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def trusting(certificate):
    return ssl.create_default_context(cafile=str(certificate))


def test_a_certificate_is_made_once_and_kept_for_its_names(home):
    certificate, key = tls.own_certificate(["localhost", "127.0.0.1", "jetson.local"])
    assert key.stat().st_mode & 0o077 == 0
    assert tls.own_certificate(["127.0.0.1", "localhost", "jetson.local"]) == (certificate, key)
    assert tls.own_certificate(["localhost"]) != (certificate, key)
    assert sorted(path.name for path in certificate.parent.iterdir() if path.is_dir()) == []


def test_clients_that_trust_the_certificate_reach_the_page_only_under_its_names(serve, home):
    with serve("--tls") as (port, told):
        certificate = next(home.rglob("*.crt"))
        for name in ("localhost", "127.0.0.1"):
            with urllib.request.urlopen(f"https://{name}:{port}/api/health", context=trusting(certificate)) as reply:
                assert reply.status == 200
        assert told[0] == f"certificate {certificate}: SHA-256 {tls.fingerprint(certificate)}"
        assert told[1] == f"page: https://127.0.0.1:{port}/"


def test_the_fingerprint_is_the_one_that_browsers_show(serve, home):
    with serve("--tls") as (port, _):
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))).hexdigest()
        assert tls.fingerprint(next(home.rglob("*.crt"))).replace(":", "").lower() == digest


def test_clients_without_a_handshake_or_without_tls_do_not_block_others(serve, home):
    with (
        serve("--tls") as (port, _),
        socket.create_connection(("127.0.0.1", port)),
        socket.create_connection(("127.0.0.1", port)) as plain,
    ):
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        context = trusting(next(home.rglob("*.crt")))
        with urllib.request.urlopen(f"https://localhost:{port}/api/health", context=context) as reply:
            assert reply.status == 200


def test_the_users_certificate_is_used(serve, home, tmp_path):
    certificate, key = tls.own_certificate(["localhost"], tmp_path / "own")
    with (
        serve("--certificate", str(certificate), "--key", str(key)) as (port, _),
        urllib.request.urlopen(f"https://localhost:{port}/", context=trusting(certificate)) as reply,
    ):
        assert b"Emotion of speech" in reply.read()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_files_that_are_not_a_certificate_are_named(tmp_path, content):
    for name in ("a.crt", "a.key"):
        if content is not None:
            (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=r"--certificate = .*a\.crt, --key = .*a\.key: cannot be used"):
        tls.secure_context(tmp_path / "a.crt", tmp_path / "a.key")


def test_without_openssl_the_cure_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tls.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="openssl is not there: apt-get install openssl, or give --certificate"):
        tls.own_certificate(["localhost"], tmp_path)


def test_a_home_that_cannot_be_written_is_named_with_the_cure(tmp_path, monkeypatch):
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = (
        r"--tls: ~/\.config/speech-emotion-jetson: cannot be written \(.*Not a directory.*\): "
        "set HOME, or give --certificate and --key"
    )
    with pytest.raises(UserError, match=expected):
        tls.own_certificate(["localhost"])


@pytest.mark.parametrize("error", [RuntimeError("no home"), KeyError("uid not found")])
def test_without_a_home_folder_the_cure_is_named(monkeypatch, error):
    def homeless(path):
        raise error

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(UserError, match=r"--tls: .*(no home|uid not found).*set HOME, or give --certificate and --key"):
        tls.own_certificate(["localhost"])


def test_notes_in_a_certificates_file_do_no_harm(tmp_path):
    certificate, _ = tls.own_certificate(["localhost"], tmp_path)
    expected = tls.fingerprint(certificate)
    certificate.write_bytes("Küche, -----END CERTIFICATE-----\n".encode("latin-1") + certificate.read_bytes())
    assert tls.fingerprint(certificate) == expected


def test_a_certificate_of_openssls_own_kind_is_refused_with_the_cure(serve, tmp_path):
    plain, key = tls.own_certificate(["localhost"], tmp_path)
    own = tmp_path / "own.crt"
    subprocess.run(["openssl", "x509", "-in", plain, "-trustout", "-out", own], check=True)
    own.write_bytes(own.read_bytes() + plain.read_bytes())  # a server sends the first
    expected = r"--certificate = .*own\.crt: first block is not BEGIN CERTIFICATE: openssl x509 -in .* writes one"
    with pytest.raises(UserError, match=expected), serve("--certificate", str(own), "--key", str(key)):
        pass
