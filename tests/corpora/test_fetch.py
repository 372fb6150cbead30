"""Corpora are brought into data/, complete or not at all."""

import fcntl
import hashlib
import http.server
import os
import shutil
import threading
import zipfile
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soundfile

from speech_emotion.corpora import fetch
from speech_emotion.corpora.fetch import obtain
from speech_emotion.corpora.known import emodb, ravdess
from speech_emotion.corpora.walking import files_below
from speech_emotion.errors import UserError
from speech_emotion.recorder import Recorder

SPEECH = {
    "emodb": ["wav/03a01Fa.wav", "wav/08a01Na.wav", "wav/16b10Wa.wav"],
    "ravdess": ["Actor_01/03-01-01-01-01-01-01.wav", "Actor_02/03-01-05-02-01-01-02.wav"],
}
SONG = "Actor_01/03-02-01-01-01-01-01.wav"
QUIET = Recorder(quiet=True)


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A folder with corpora in their publishers' layout and with known checksums."""
    root = tmp_path / "published"
    sums = tmp_path / "sums"
    sums.mkdir()
    for corpus, paths in SPEECH.items():
        for path in paths:
            (root / corpus / path).parent.mkdir(parents=True, exist_ok=True)
            (root / corpus / path).write_bytes(f"{corpus}/{path}".encode())
        digests = [hashlib.sha256((root / corpus / path).read_bytes()).hexdigest() for path in paths]
        lines = [f"{digest}  {corpus}/{path}\n" for digest, path in zip(digests, paths, strict=True)]
        (sums / f"{corpus}.sha256").write_text("".join(lines))
    for module in (emodb, ravdess):
        own = replace(module.CORPUS, checksums=sums / f"{module.CORPUS.name}.sha256")
        monkeypatch.setattr(module, "CORPUS", own)
    return root


@pytest.fixture
def data(tmp_path):
    return tmp_path / "project/data"


@pytest.fixture
def server(tmp_path, published, monkeypatch):
    """A server for the folder `served`, which stands in for the publishers."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"http://127.0.0.1:{served.server_port}"
    for module, archives in (
        (emodb, {"all": f"{address}/emodb.zip"}),
        (ravdess, {"speech": f"{address}/speech.zip", "song": f"{address}/song.zip"}),
    ):
        monkeypatch.setattr(module, "CORPUS", replace(module.CORPUS, archives=archives))
    yield
    served.shutdown()
    served.server_close()


def pack(archive, folder, prefix=""):
    with zipfile.ZipFile(archive, "w") as made:
        for path in files_below(folder):
            made.write(folder / path, prefix + path)
    return archive


def contents(folder):
    return {path: (folder / path).read_bytes() for path in files_below(folder)}


def nothing_left(data):
    """Asserts that there is no corpus, complete or partial, and only locks and downloads beside data/."""
    rest = [path.name for path in (data.parent / ".downloads").iterdir() if path.suffix not in (".lock", ".zip")]
    return not any(data.iterdir()) and not rest


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
@pytest.mark.parametrize("depth", ["", "/{corpus}", "/above"])
def test_folder_is_found_at_any_depth(published, data, corpus, depth):
    wanted = contents(published / corpus)
    if depth == "/above":
        (published / "above/deep").mkdir(parents=True)
        (published / corpus).rename(published / "above/deep" / corpus)
    result = obtain(corpus, data, published / depth.format(corpus=corpus).lstrip("/"), QUIET)
    assert contents(data / corpus) == wanted
    assert (result.changed, result.verified, result.files) == (True, True, len(wanted))


def test_the_folder_wav_itself_may_be_given(published, data):
    obtain("emodb", data, published / "emodb/wav", QUIET)
    assert files_below(data / "emodb") == SPEECH["emodb"]


def test_one_folder_of_an_actor_is_not_the_corpus(published, data):
    with pytest.raises(UserError, match=r"1 of 2 published files missing: Actor_02/.*\n.*data/ is unchanged"):
        obtain("ravdess", data, published / "ravdess/Actor_01", QUIET)
    assert nothing_left(data)


@pytest.mark.parametrize("ending", ["zip", "tar", "gztar"])
def test_archives_are_accepted(published, data, tmp_path, ending):
    archive = shutil.make_archive(tmp_path / "emodb", ending, published)
    obtain("emodb", data, tmp_path / archive, QUIET)
    assert contents(data / "emodb") == contents(published / "emodb")


def test_other_files_are_ignored(published, data):
    (published / "emodb/erkennung.txt").touch()
    (published / "emodb/lablaut").mkdir()
    (published / "emodb/lablaut/03a01Fa.lablaut").touch()
    obtain("emodb", data, published, QUIET)
    assert files_below(data / "emodb") == SPEECH["emodb"]


def test_nested_copy_of_the_same_files_is_taken_once(published, data):
    shutil.copytree(published / "ravdess", published / "ravdess/audio_speech_actors_01-24")
    obtain("ravdess", data, published / "ravdess", QUIET)
    assert files_below(data / "ravdess") == SPEECH["ravdess"]


def test_nested_copy_that_differs_is_refused(published, data):
    shutil.copytree(published / "ravdess", published / "ravdess/copy")
    (published / "ravdess/copy" / SPEECH["ravdess"][0]).write_bytes(b"other")
    with pytest.raises(UserError, match="and differ"):
        obtain("ravdess", data, published / "ravdess", QUIET)
    assert nothing_left(data)


def test_altered_file_is_named_and_nothing_appears(published, data):
    (published / "emodb/wav/08a01Na.wav").write_bytes(b"other")
    with pytest.raises(UserError, match=r"altered: wav/08a01Na\.wav"):
        obtain("emodb", data, published, QUIET)
    assert nothing_left(data)


def test_source_without_the_corpus_names_archives_in_it(published, data, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    with pytest.raises(UserError, match=r"holds no files of emodb: must hold wav/SSTTTEv\.wav at some depth$"):
        obtain("emodb", data, folder, QUIET)
    pack(folder / "emodb.zip", published)
    with pytest.raises(UserError, match=r"if emodb\.zip holds it"):
        obtain("emodb", data, folder, QUIET)


def test_source_that_does_not_exist(data):
    with pytest.raises(UserError, match="FROM=/nowhere: no such file or folder"):
        obtain("emodb", data, fetch.Path("/nowhere"), QUIET)


def test_verified_corpus_is_left_as_it_is(published, data):
    obtain("emodb", data, published, QUIET)
    before = os.stat(data / "emodb").st_ino
    assert not obtain("emodb", data, None, QUIET).changed
    assert not obtain("emodb", data, published, QUIET).changed
    assert os.stat(data / "emodb").st_ino == before


def test_damaged_corpus_is_replaced(published, data):
    obtain("emodb", data, published, QUIET)
    (data / "emodb/wav/03a01Fa.wav").unlink()
    assert obtain("emodb", data, published, QUIET).changed
    assert contents(data / "emodb") == contents(published / "emodb")


def test_stray_files_in_a_damaged_corpus_are_not_lost(published, data):
    obtain("emodb", data, published, QUIET)
    (data / "emodb/wav/03a01Fa.wav").unlink()
    (data / "emodb/mine.wav").touch()
    with pytest.raises(UserError, match="move the stray files away"):
        obtain("emodb", data, published, QUIET)
    assert (data / "emodb/mine.wav").exists()


def test_corpus_itself_is_refused_as_source(published, data):
    obtain("emodb", data, published, QUIET)
    with pytest.raises(UserError, match="itself"):
        obtain("emodb", data, data / "emodb/wav", QUIET)


def test_sung_files_are_added_to_spoken_ones(published, data, tmp_path):
    obtain("ravdess", data, published, QUIET)
    (tmp_path / "song/Actor_01").mkdir(parents=True)
    (tmp_path / "song" / SONG).write_bytes(b"la")
    result = obtain("ravdess", data, tmp_path / "song", QUIET)
    assert result.changed
    assert files_below(data / "ravdess") == sorted([*SPEECH["ravdess"], SONG])


def test_download_is_unpacked_verified_and_removed(published, data, server, tmp_path):
    pack(tmp_path / "served/emodb.zip", published / "emodb")
    obtain("emodb", data, None, QUIET)
    assert contents(data / "emodb") == contents(published / "emodb")
    assert not list((data.parent / ".downloads").glob("*.zip*"))


def test_spoken_part_is_the_default_and_the_sung_one_is_added(published, data, server, tmp_path):
    pack(tmp_path / "served/speech.zip", published / "ravdess")
    (tmp_path / "song/Actor_01").mkdir(parents=True)
    (tmp_path / "song" / SONG).write_bytes(b"la")
    pack(tmp_path / "served/song.zip", tmp_path / "song")
    obtain("ravdess", data, None, QUIET)
    assert files_below(data / "ravdess") == SPEECH["ravdess"]
    (tmp_path / "served/speech.zip").unlink()  # it is not fetched again
    assert obtain("ravdess", data, None, QUIET, parts=("speech", "song")).changed
    assert SONG in files_below(data / "ravdess")
    assert not obtain("ravdess", data, None, QUIET, parts=("speech", "song")).changed


def test_unknown_part_is_refused(data):
    with pytest.raises(UserError, match="part dance of ravdess: must be one of speech, song"):
        obtain("ravdess", data, None, QUIET, parts=("dance",))
    with pytest.raises(UserError, match="part song of casia: casia has no parts"):
        obtain("casia", data, None, QUIET, parts=("song",))


def test_damaged_download_is_repeated_next_time(published, data, server, tmp_path):
    (tmp_path / "served/emodb.zip").write_bytes(b"<html>sorry</html>")
    with pytest.raises(UserError, match="is not a zip or tar archive"):
        obtain("emodb", data, None, QUIET)
    assert nothing_left(data)
    pack(tmp_path / "served/emodb.zip", published / "emodb")
    assert obtain("emodb", data, None, QUIET).changed


def test_refused_download_leaves_nothing(data, server):
    with pytest.raises(UserError, match="404"):
        obtain("emodb", data, None, QUIET)
    assert nothing_left(data)


@pytest.mark.parametrize("corpus", ["iemocap", "casia"])
def test_licensed_corpora_need_a_source(data, corpus):
    with pytest.raises(UserError, match=f"corpus = {corpus}: needs a licence .* FROM="):
        obtain(corpus, data, None, QUIET)


def put(path, content=b""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_iemocap_is_copied_without_videos(data, tmp_path):
    top = tmp_path / "IEMOCAP_full_release/Session1"
    put(top / "dialog/EmoEvaluation/Ses01F_impro01.txt", b"[6.2 - 8.2]\tSes01F_impro01_F000\tneu\t[2.5, 2.5, 2.5]\n")
    put(top / "dialog/transcriptions/Ses01F_impro01.txt")
    put(top / "dialog/avi/DivX/Ses01F_impro01.avi")
    put(top / "dialog/wav/Ses01F_impro01.wav")
    put(top / "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav", b"x")
    archive = shutil.make_archive(tmp_path / "IEMOCAP_full_release", "gztar", tmp_path, "IEMOCAP_full_release")
    result = obtain("iemocap", data, fetch.Path(archive), QUIET)
    assert files_below(data / "iemocap") == [
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
        "Session1/dialog/transcriptions/Ses01F_impro01.txt",
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    ]
    assert (result.changed, result.verified) == (True, False)


def test_iemocap_without_labels_is_refused(data, tmp_path):
    put(tmp_path / "release/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav", b"x")
    with pytest.raises(UserError, match="no utterance with a label"):
        obtain("iemocap", data, tmp_path / "release", QUIET)
    assert nothing_left(data)


def test_casia_is_copied_and_never_replaced(data, tmp_path):
    put(tmp_path / "casia/wangzhe/angry/201.wav", b"x")
    put(tmp_path / "casia/readme.txt")
    obtain("casia", data, tmp_path / "casia", QUIET)
    assert files_below(data / "casia") == ["wangzhe/angry/201.wav"]
    assert not obtain("casia", data, None, QUIET).changed
    with pytest.raises(UserError, match="already exists: move it away"):
        obtain("casia", data, tmp_path / "casia", QUIET)


def test_own_corpus_is_copied_with_everything_beside_its_table(data, tmp_path):
    put(tmp_path / "given/deep/utterances.csv", b"path,speaker,emotion\na/1.wav,anna,anger\n")
    (tmp_path / "given/deep/a").mkdir()
    soundfile.write(tmp_path / "given/deep/a/1.wav", np.zeros(8000), 16000)
    put(tmp_path / "given/elsewhere.wav")
    for source in (tmp_path / "given", pack(tmp_path / "given.zip", tmp_path / "given")):
        obtain("mine", data, source, QUIET)
        assert files_below(data / "mine") == ["a/1.wav", "utterances.csv"]
        shutil.rmtree(data / "mine")


def test_two_tables_of_own_corpora_are_refused(data, tmp_path):
    put(tmp_path / "given/one/utterances.csv")
    put(tmp_path / "given/two/utterances.csv")
    with pytest.raises(UserError, match=r"more than one utterances\.csv \(one/utterances\.csv, two/utterances\.csv\)"):
        obtain("mine", data, tmp_path / "given", QUIET)


@pytest.mark.parametrize("corpus", ["../evil", "Mine", "", "a/b"])
def test_corpus_name_that_is_not_a_folder_name_is_refused(data, tmp_path, corpus):
    with pytest.raises(UserError, match="must consist of lower-case letters"):
        obtain(corpus, data, tmp_path, QUIET)


def test_unknown_corpus_without_source(data):
    with pytest.raises(UserError, match=r"corpus = mine: is unknown .*own-corpus\.md"):
        obtain("mine", data, None, QUIET)


def test_a_second_process_is_refused(published, data):
    (data.parent / ".downloads").mkdir(parents=True)
    with open(data.parent / ".downloads/emodb.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another make data is running"):
            obtain("emodb", data, published, QUIET)
    assert obtain("emodb", data, published, QUIET).changed


def test_leftovers_of_a_killed_run_are_removed_and_the_replaced_corpus_is_restored(published, data):
    work = data.parent / ".downloads/emodb.laying-out"
    shutil.copytree(published / "emodb", work / "replaced")
    put(work / "emodb/wav/half.wav")
    assert not obtain("emodb", data, None, QUIET).changed
    assert contents(data / "emodb") == contents(published / "emodb")
    assert not work.exists()


def test_demo_takes_no_source(data, tmp_path):
    with pytest.raises(UserError, match="corpus is synthesised: leave FROM out"):
        obtain("demo", data, tmp_path, QUIET)


@pytest.mark.parametrize("corpus", ["emodb", "ravdess"])
def test_real_corpora_are_copied_and_verified(corpora, data, corpus):
    result = obtain(corpus, data, corpora, QUIET)
    assert (result.verified, result.files) == (True, {"emodb": 535, "ravdess": 1440}[corpus])
    shutil.rmtree(data)
