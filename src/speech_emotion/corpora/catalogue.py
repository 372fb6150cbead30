"""Finds corpora by name: each module of corpora/known defines one; any other name is a corpus of the user's own."""

import importlib
import pkgutil

from speech_emotion.corpora import known, own
from speech_emotion.corpora.corpus import Corpus
from speech_emotion.errors import UserError


def known_corpora() -> dict[str, Corpus]:
    """Returns name -> corpus for every module of corpora/known.

    Raises:
        UserError: a module defines no CORPUS.
    """
    corpora = {}
    for found in pkgutil.iter_modules(known.__path__):
        module = importlib.import_module(f"{known.__name__}.{found.name}")
        corpus = getattr(module, "CORPUS", None)
        if not isinstance(corpus, Corpus):
            raise UserError(f"{module.__file__}: defines no CORPUS: add it as described in docs/data.md")
        corpora[corpus.name] = corpus
    return corpora


def corpus_of(name: str) -> Corpus:
    """Returns the corpus called `name`: a known one, or else one of the user's own.

    Raises:
        UserError: a module of corpora/known defines no CORPUS.
    """
    return known_corpora().get(name) or own.corpus(name)
