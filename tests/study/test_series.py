"""A sequence that is made longer without being copied, and behaves as a tuple does."""

from __future__ import annotations

import pickle

import pytest

from kerastune_lite.study.series import Series


def test_it_behaves_as_a_tuple():
    series, same = Series([1, 2, 3, 4]), (1, 2, 3, 4)

    assert series == same
    assert same == series
    assert series != (1, 2, 3)
    assert series != [1, 2, 3, 4]
    assert (len(series), list(series), repr(series), hash(series)) == (4, [1, 2, 3, 4], repr(same), hash(same))
    assert (series[0], series[-1], series[1:3], series[:2], series[::-1]) == (1, 4, (2, 3), (1, 2), (4, 3, 2, 1))
    assert (3 in series, 9 in series, series.index(2)) == (True, False, 1)
    assert not Series()
    assert pickle.loads(pickle.dumps(series)) == same
    with pytest.raises(IndexError):
        series[4]
    with pytest.raises(TypeError):
        series[0] = 9


def test_a_longer_one_leaves_the_shorter_as_it_is():
    short = Series([1, 2])
    longer = short.extended([3])
    iterator = iter(longer)
    longest = longer.extended([4, 5])

    assert (short, longer, longest) == ((1, 2), (1, 2, 3), (1, 2, 3, 4, 5))
    assert list(iterator) == [1, 2, 3]
    assert longest.begins_with(short)
    assert not short.begins_with(longest)


def test_two_that_are_made_of_one_do_not_see_each_other():
    base = Series([1])
    one, other = base.extended([2]), base.extended([3])

    assert (base, one, other) == ((1,), (1, 2), (1, 3))
    assert not other.begins_with(one)
    assert one[:1].extended([9]) == (1, 9)
    assert one == (1, 2)
    assert one.replaced(0, 7) == (7, 2)


def test_making_it_longer_copies_nothing():
    series = Series(range(1000))

    assert series.extended([1])._items is series._items
