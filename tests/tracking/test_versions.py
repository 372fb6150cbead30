from speech_emotion.tracking.versions import Event, champions_before


def test_former_champions_do_not_include_those_rolled_back():
    def event(champion, how):
        return Event(champion, None, how, "", "", "")

    line = [event(1, "registered"), event(2, "registered"), event(3, "promoted")]
    assert champions_before(tuple(line)) == [1, 2]
    assert champions_before((*line, event(2, "rolled back"))) == [1]
    assert champions_before((*line, event(2, "rolled back"), event(4, "registered"))) == [1, 2]
    assert champions_before(()) == []
