from made_up_searches import IDS, SPEAKERS, folds
from speech_emotion.corpora.splits import Fold
from speech_emotion.search.inner import group_splits, own_split


def test_each_inner_speaker_is_left_out_once_and_the_test_speaker_is_in_no_split():
    for fold in folds():
        splits = group_splits(fold, folds())
        judged = [id for split in splits for id in split.valid]
        assert sorted(judged) == sorted({*fold.train, *fold.valid})
        assert len(splits) == len(SPEAKERS) - 1
        for split in splits:
            assert len({id[0] for id in split.valid}) == 1
            assert not {id[0] for id in split.valid} & {id[0] for id in split.train}
            assert {*split.train, *split.valid} == {*fold.train, *fold.valid}
            assert not {*split.train, *split.valid} & {*fold.test}


def test_a_single_fold_uses_its_own_validation_speakers():
    (fold,) = folds()[:1]
    assert group_splits(fold, [fold]) == own_split(fold)


def test_folds_with_overlapping_test_utterances_use_their_own_validation_part():
    drawn = [Fold(f"random-{n}", tuple(IDS[:20]), tuple(IDS[20:25]), tuple(IDS[25:])) for n in range(3)]
    assert group_splits(drawn[0], drawn) == own_split(drawn[0])
