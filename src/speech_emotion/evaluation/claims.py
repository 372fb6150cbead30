"""Figures that the papers claim (papers/<paper>/claims.yaml), to be shown next to the measured ones."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, create_model

from speech_emotion.evaluation.metrics import METRICS
from speech_emotion.params import Name
from speech_emotion.sections import Section, check
from speech_emotion.yaml_files import read_yaml


class Claim(Section):
    """One row of a paper's table; claim_class adds a figure for each metric, in the unit that METRICS gives it.

    Attributes:
        protocol: protocol of the paper's measurement; None if the paper does not state it.
        features: given if the paper compares several feature sets for one system.
        unit: what was scored, if not the utterance.
    """

    system: Name
    corpus: Name
    protocol: Name | None
    features: list[Name] | None = None
    unit: str | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Metric -> figure, for the metrics that the paper reports."""
        return {metric: value for metric in METRICS if (value := getattr(self, metric, None)) is not None}

    @property
    def conditions(self) -> str:
        """How the paper measured the figure, where this differs from the project's default."""
        parts = [f"protocol {self.protocol}" if self.protocol else "split not stated"]
        if self.features:
            parts.append(f"features {', '.join(self.features)}")
        if self.unit:
            parts.append(f"scored by {self.unit}")
        return "; ".join(parts)


def claim_class() -> type[Claim]:
    """A subclass of Claim with one optional field for each metric."""
    figures = {key: (Annotated[float, Field(ge=0, le=metric.most)] | None, None) for key, metric in METRICS.items()}
    return create_model("Claim", __base__=Claim, **figures)


def read_claims(folder: Path, paper: str, system: str, corpus: str) -> list[Claim]:
    """What a paper claims for a system on a corpus, in the paper's order; empty if it claims nothing.

    Args:
        folder: holds one folder for each paper.
        paper: name of the paper's folder.
        system: name of the system.
        corpus: name of the corpus.

    Raises:
        UserError: claims.yaml cannot be read or is not valid.
    """
    path = folder / paper / "claims.yaml"
    if not path.is_file():
        return []
    layout = create_model("Claims", __base__=Section, title=(str, ...), claims=(list[claim_class()], ...))
    claims = check(layout, read_yaml(path), str(path)).claims
    return [claim for claim in claims if (claim.system, claim.corpus) == (system, corpus)]
