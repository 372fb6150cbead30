"""Figures that the papers claim, papers/<paper>/claims.yaml, to stand beside those measured."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from speech_emotion.params import Name
from speech_emotion.sections import Section, check
from speech_emotion.yaml_files import read_yaml

METRICS = ("ua", "wa", "macro_precision", "macro_recall", "macro_f1")

Percent = Annotated[float, Field(ge=0, le=100)]


class Claim(Section):
    """One row of a paper's table; figures in percent.

    Attributes:
        protocol: under which the paper measured; None where it does not say.
        features: where the paper compares several for one system.
        unit: what was scored, where that is not the utterance.
    """

    system: Name
    corpus: Name
    protocol: Name | None
    ua: Percent | None = None
    wa: Percent | None = None
    macro_precision: Percent | None = None
    macro_recall: Percent | None = None
    macro_f1: Percent | None = None
    features: list[Name] | None = None
    unit: str | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Metric -> percent, of those that the paper gives."""
        return {metric: value for metric in METRICS if (value := getattr(self, metric)) is not None}

    @property
    def conditions(self) -> str:
        """How the paper got the figure, as far as that is not the project's default."""
        parts = [f"protocol {self.protocol}" if self.protocol else "split not stated"]
        if self.features:
            parts.append(f"features {', '.join(self.features)}")
        if self.unit:
            parts.append(f"scored by {self.unit}")
        return "; ".join(parts)


class Claims(Section):
    """One claims.yaml."""

    title: str
    claims: list[Claim]


def read_claims(folder: Path, paper: str, system: str, corpus: str) -> list[Claim]:
    """What a paper claims for a system on a corpus, in the paper's order; empty where it claims nothing.

    Args:
        folder: holds one folder a paper.

    Raises:
        UserError: claims.yaml cannot be read or has a fault.
    """
    path = folder / paper / "claims.yaml"
    if not path.is_file():
        return []
    claims = check(Claims, read_yaml(path), str(path)).claims
    return [claim for claim in claims if (claim.system, claim.corpus) == (system, corpus)]
