"""core.translation"""

from core.translation import Told, ToldError, unpacked


def test_what_is_told_can_be_kept_in_a_column():
    inner = ToldError("At most %(most)s of “%(what)s”.", most=64, what="[a] 100%")
    kept = unpacked(Told("Place %(place)s: %(why)s", place=2, why=inner).packed())

    assert str(kept) == "Place 2: At most 64 of “[a] 100%”."
    assert kept.text == "Place %(place)s: %(why)s"
    why = kept.values["why"]
    assert isinstance(why, Told)
    assert (why.text, why.values) == (inner.text, inner.values)


def test_another_text_in_a_column_is_told_as_it_is():
    assert (str(unpacked("")), str(unpacked("100% proj.example"))) == ("", "100% proj.example")
