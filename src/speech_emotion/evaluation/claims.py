"""Figures that the papers claim, papers/<paper>/claims.yaml, to stand beside those measured."""

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
        protocol: under which the paper measured; None where it does not say.
        features: where the paper compares several for one system.
        unit: what was scored, where that is not the utterance.
    """

    system: Name
    corpus: Name
    protocol: Name | None
    features: list[Name] | None = None
    unit: str | None = None

    @property
    def figures(self) -> dict[str, float]:
        """Metric -> figure, of those that the paper gives."""
        return {metric: value for metric in METRICS if (value := getattr(self, metric, None)) is not None}

    @property
    def conditions(self) -> str:
        """How the paper got the figure, as far as that is not the project's default."""
        parts = [f"protocol {self.protocol}" if self.protocol else "split not stated"]
        if self.features:
            parts.append(f"features {', '.join(self.features)}")
        if self.unit:
            parts.append(f"scored by {self.unit}")
        return "; ".join(parts)


def claim_class() -> type[Claim]:
    """Claim with a field for each metric."""
    figures = {key: (Annotated[float, Field(ge=0, le=metric.most)] | None, None) for key, metric in METRICS.items()}
    return create_model("Claim", __base__=Claim, **figures)


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
    layout = create_model("Claims", __base__=Section, title=(str, ...), claims=(list[claim_class()], ...))
    claims = check(layout, read_yaml(path), str(path)).claims
    return [claim for claim in claims if (claim.system, claim.corpus) == (system, corpus)]
