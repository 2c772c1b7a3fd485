"""Work shared out to threads, its results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")


def in_order(work: Callable[[Thing], Made], things: Iterable[Thing], jobs: int) -> Iterator[Made]:
    """Yield, in order, what `work` makes of each thing.

    Threads are never more than two things each ahead of who takes the results: things and results may be large.

    Parameters
    ----------
    work : callable
        Called by several threads at once; what it raises is raised in its turn.
    things : iterable
        Walked by the caller's thread.
    jobs : int
        Threads; -1 for one a core.
    """
    from joblib import effective_n_jobs
    from threadpoolctl import threadpool_limits

    workers = effective_n_jobs(jobs)
    if workers == 1:
        yield from map(work, things)
        return
    waiting: deque[Future[Made]] = deque()
    # Threads that each call a threaded BLAS stand in each other's way.
    with threadpool_limits(1), ThreadPoolExecutor(workers) as pool:
        try:
            for thing in things:
                waiting.append(pool.submit(work, thing))
                del thing
                while waiting and (len(waiting) > 2 * workers or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
