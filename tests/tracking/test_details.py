import json

import numpy as np
import pandas as pd
from PIL import Image

from speech_emotion.tracking.details import confusion_writer, parquet_writer, table_writer


def test_a_units_confusion_is_drawn_from_its_own_predictions(folders, tmp_path):
    for fold in ("f1", "m2"):
        confusion_writer(folders.trained / "k2", fold, 0)(tmp_path / f"{fold}.png")
    pictures = [np.asarray(Image.open(tmp_path / f"{fold}.png")) for fold in ("f1", "m2")]
    assert pictures[0].shape[0] > 300
    assert not np.array_equal(*pictures)


def test_a_systems_table_contains_every_prediction_and_whether_it_is_right(folders, tmp_path):
    table_writer(folders.trained / "k2")(tmp_path / "all.json")
    table = json.loads((tmp_path / "all.json").read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == len(pd.read_parquet(folders.trained / "k2" / "predictions.parquet"))
    assert all(row["right"] == (row["emotion"] == row["predicted"]) for row in rows)
    assert all(0 < row["confidence"] <= 1 for row in rows)


def test_changed_predictions_are_read_again(folders, tmp_path):
    path = folders.trained / "k2" / "predictions.parquet"
    write = parquet_writer(folders.trained / "k2", "m2", 0)
    write(tmp_path / "before.parquet")
    frame = pd.read_parquet(path)
    frame["predicted"] = frame["emotion"]
    frame.to_parquet(path)
    write(tmp_path / "after.parquet")
    after = pd.read_parquet(tmp_path / "after.parquet")
    assert (after["predicted"] == after["emotion"]).all()
    assert not after.equals(pd.read_parquet(tmp_path / "before.parquet"))
