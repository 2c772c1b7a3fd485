"""Work is shared out to threads; results come in order, none far ahead of who takes them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from hybridfer.threads import in_order


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_order_whoever_is_done_first(jobs: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.01 * (number % 3 == 0))
        return number * number

    assert list(in_order(work, range(20), jobs)) == [number * number for number in range(20)]


def test_several_threads_work() -> None:
    both = threading.Barrier(2, timeout=20)
    assert list(in_order(lambda _: both.wait() in (0, 1), range(4), 2)) == [True] * 4


@pytest.mark.parametrize(("jobs", "ahead"), [(1, 1), (2, 5)])
def test_no_more_is_begun_than_is_taken_soon(jobs: int, ahead: int) -> None:
    begun = 0

    def things() -> Iterator[int]:
        nonlocal begun
        while True:
            begun += 1
            yield begun

    results = in_order(lambda number: number, things(), jobs)
    for taken in range(1, 50):
        next(results)
        assert begun - taken < ahead
    results.close()  # type: ignore[attr-defined]
    assert begun < 50 + ahead


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_in_its_turn(jobs: int) -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    results = in_order(work, range(9), jobs)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
