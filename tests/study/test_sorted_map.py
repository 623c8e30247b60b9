"""The map of a study's records: sorted, never changed, and shared between one version and the next."""

from __future__ import annotations

import pickle
import random

import pytest

from kerastune_lite.study.sorted_map import LARGEST, SortedMap


def test_it_is_what_a_dict_is_after_any_changes_in_the_order_of_its_keys():
    rng, expected, versions = random.Random(0), {}, []
    changed = SortedMap()
    for step in range(3000):
        key = rng.randrange(700)
        if rng.random() < 0.3:
            expected.pop(key, None)
            changed = changed.without(key)
        else:
            expected[key] = step
            changed = changed.with_item(key, step)
        if step % 500 == 0:
            versions.append((changed, dict(expected)))

    for one, dict_then in [*versions, (changed, expected)]:
        assert list(one.items()) == sorted(dict_then.items())
        assert list(one) == sorted(dict_then)
        assert list(reversed(one)) == sorted(dict_then, reverse=True)
        assert list(one.values()) == [dict_then[key] for key in sorted(dict_then)]
        assert len(one) == len(dict_then)
        assert one.last() == max(dict_then, default=None)
        assert all(one.get(key) == dict_then.get(key) for key in range(-1, 702))
        ordered = sorted(dict_then)
        assert [one.position_of(key) for key in ordered] == list(range(len(ordered)))
        assert [one.value_at(place) for place in range(len(ordered))] == [dict_then[key] for key in ordered]


def test_an_empty_map_has_nothing():
    empty = SortedMap()

    assert (len(empty), list(empty), empty.last(), empty.position_of(3)) == (0, [], None, 0)
    assert empty.without(3) is empty
    with pytest.raises(KeyError):
        empty[3]
    with pytest.raises(IndexError):
        empty.value_at(0)


@pytest.mark.parametrize("count", [1, 20, 2000])
def test_many_items_at_once_are_the_same_as_one_after_the_other(count):
    known = SortedMap((key, "old") for key in range(0, 1000, 3))
    items = dict.fromkeys(range(0, 2 * count, 2), "new")

    one_by_one = known
    for key, value in items.items():
        one_by_one = one_by_one.with_item(key, value)

    assert known.updated(items) == one_by_one == {**dict(known), **items}


def test_what_has_changed_since_an_earlier_map_is_found_without_looking_at_the_rest():
    class Value:
        """A value that counts how often it is looked at is none that is compared with `==`."""

        def __eq__(self, other):
            raise AssertionError("compared")

        __hash__ = None

    before = SortedMap((key, Value()) for key in range(10_000))
    new, other = Value(), Value()
    after = before.with_item(10_000, new).with_item(37, other)

    assert [(key, value is new or value is other) for key, value in after.changed_since(before)] == [
        (37, True),
        (10_000, True),
    ]
    assert list(after.changed_since(after)) == []


def test_a_change_copies_one_chunk_of_a_large_map():
    before = SortedMap((key, key) for key in range(10_000))

    after = before.with_item(5000, "changed")

    shared = {id(chunk) for chunk in before._chunks} & {id(chunk) for chunk in after._chunks}
    assert len(shared) == len(before._chunks) - 1
    assert all(len(keys) <= LARGEST for keys, _ in after._chunks)


def test_it_comes_back_from_a_pickle():
    known = SortedMap({2: "b", 1: "a"})

    assert list(pickle.loads(pickle.dumps(known)).items()) == [(1, "a"), (2, "b")]
