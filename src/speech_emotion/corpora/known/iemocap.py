"""IEMOCAP: English dialogues, 5 sessions of 2 speakers each, 10,039 turns, 16 kHz; requires a licence.

Busso et al.: IEMOCAP: interactive emotional dyadic motion capture database, Language Resources and Evaluation
42, 2008. Labels are lines `[start - end] TURN emotion [V, A, D]` of `SessionN/dialog/EmoEvaluation/*.txt`,
audio is `SessionN/sentences/wav/DIALOG/TURN.wav`, words are in `SessionN/dialog/transcriptions/*.txt`.
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from speech_emotion.corpora.corpus import LICENSED, Corpus
from speech_emotion.corpora.table import Labelled, Rejected
from speech_emotion.corpora.walking import files_below, unexpected

EMOTIONS = {
    "ang": "anger", "hap": "happiness", "exc": "excitement", "sad": "sadness", "fru": "frustration",
    "fea": "fear", "sur": "surprise", "dis": "disgust", "neu": "neutral", "oth": "other",
}  # fmt: skip
NO_AGREEMENT = "xxx"
SEXES = {"F": "female", "M": "male"}
LINE = re.compile(r"\[[\d.]+ - [\d.]+\]\s+(?P<turn>\S+)\s+(?P<emotion>[a-z]{3})\s+\[.*\]\s*")
TURN = re.compile(r"(?P<dialogue>Ses0(?P<session>[1-5])[FM]_\w+)_(?P<sex>[FM])[A-Z]?\d+", re.ASCII)
WORDS = re.compile(r"(?P<turn>Ses\w+) \[[^\]]*\]: ?(?P<text>.*)")
AUDIO = re.compile(r"Session[1-5]/sentences/wav/[^/]+/(?P<turn>[^/]+)\.wav")
PUBLISHED_BESIDE = re.compile(r"Session[1-5]/(dialog|sentences)/.*|Documentation/.*|README\.txt")
NEEDED = re.compile(  # videos and recordings of whole dialogues are left out
    r"(?:.*/)?(Session[1-5]/(?:sentences/wav/[^/]+/[^/]+\.wav|dialog/(?:EmoEvaluation|transcriptions)/[^/]+\.txt))"
)
SCHEME = "SessionN/sentences/wav/DIALOG/TURN.wav"


def read(root: Path) -> Iterator[Labelled | Rejected]:
    """Reads the label of each turn from the files below `root` (data/iemocap), sorted by path.

    Turns without agreement among the judges (label xxx) and recordings without a label are rejected.
    Speakers are Ses01F, Ses01M, ...; sessions are Session1, ...
    """
    files = files_below(root)
    labels, words = _labels(root, files), _words(root, files)
    recorded = set()
    for path in files:
        match = AUDIO.fullmatch(path)
        if not match:
            if not PUBLISHED_BESIDE.fullmatch(path):
                yield unexpected(root, path, SCHEME)
            continue
        recorded.add(match["turn"])
        yield _turn(path, match["turn"], labels, words)
    for turn in sorted(set(labels) - recorded):
        match = TURN.fullmatch(turn)
        yield Rejected(_place(match) if match else f"{turn}.wav", "missing", "has a label but no audio file")


def _turn(path: str, turn: str, labels: dict[str, set[str]], words: dict[str, str]) -> Labelled | Rejected:
    match = TURN.fullmatch(turn)
    if not match or path != _place(match):
        return Rejected(path, "name", f"does not follow the corpus's scheme {SCHEME}")
    given = labels.get(turn, set())
    if not given:
        return Rejected(path, "unlabelled", "its turn is not in any file of dialog/EmoEvaluation")
    if len(given) > 1:
        return Rejected(path, "doubled", f"has more than one label: {', '.join(sorted(given))}")
    label = next(iter(given))
    if label == NO_AGREEMENT:
        return Rejected(path, "no-agreement", "the judges did not agree on an emotion (xxx)")
    return Labelled(
        path=path,
        speaker=f"Ses0{match['session']}{match['sex']}",
        sex=SEXES[match["sex"]],
        emotion=EMOTIONS.get(label, label),
        text=words.get(turn),
        session=f"Session{match['session']}",
    )


def _place(turn: re.Match) -> str:
    return f"Session{turn['session']}/sentences/wav/{turn['dialogue']}/{turn[0]}.wav"


def _lines(root: Path, files: list[str], folder: str) -> Iterator[str]:
    pattern = re.compile(rf"Session[1-5]/dialog/{folder}/[^/]+\.txt")
    for path in files:
        if pattern.fullmatch(path):
            yield from (root / path).read_text(encoding="utf-8", errors="replace").splitlines()


def _labels(root: Path, files: list[str]) -> dict[str, set[str]]:
    labels: dict[str, set[str]] = {}
    for line in _lines(root, files, "EmoEvaluation"):
        if match := LINE.fullmatch(line):
            labels.setdefault(match["turn"], set()).add(match["emotion"])
    return labels


def _words(root: Path, files: list[str]) -> dict[str, str]:
    found = (WORDS.fullmatch(line) for line in _lines(root, files, "transcriptions"))
    return {match["turn"]: match["text"].strip() for match in found if match}


def place(path: str) -> str | None:
    """Returns the path from SessionN on for audio, label and transcription files of turns; None for other paths."""
    match = NEEDED.fullmatch(path)
    return match[1] if match and not PurePosixPath(path).name.startswith(".") else None


CORPUS = Corpus(
    name="iemocap",
    description="acted and improvised American English dialogue",
    licence=LICENSED,
    scheme=SCHEME,
    read=read,
    place=place,
)
