from load.analysis.timeline import backlog, bins, grouped, lives, oldest_age, steps, waiting
from load.records import Order, RunRecords


def test_steps_add_up_changes_of_one_moment() -> None:
    history = steps([(2.0, 1), (1.0, 1), (2.0, -1), (3.0, -1)])
    assert (history.at(0.5), history.at(1.0), history.at(2.5), history.at(3.0)) == (0, 1, 1, 0)
    assert history.peak() == 1


def test_the_peak_of_a_window_knows_what_was_there_before() -> None:
    history = steps([(0.0, 5), (10.0, -5)])
    assert history.peak(2.0, 3.0) == 5


def test_backlog_is_accepted_and_not_terminal(queue_run: RunRecords) -> None:
    history = backlog(lives(queue_run))
    assert history.least() >= 0
    assert history.values[-1] == 0
    assert history.peak() > 100


def test_an_order_still_processing_stays_in_the_backlog(queue_run: RunRecords) -> None:
    first = queue_run.orders[0]
    orders = [Order(order_id=first.order_id, status="processing"), *queue_run.orders[1:]]
    accepted = lives(RunRecords(**{**vars(queue_run), "orders": orders}))
    assert backlog(accepted).values[-1] == 1


def test_an_order_paid_in_the_request_never_counts_as_backlog(sync_run: RunRecords) -> None:
    assert backlog(lives(sync_run)).peak() == 0


def test_never_more_shoppers_wait_than_there_are(sync_run: RunRecords) -> None:
    assert waiting(sync_run.requests).peak() == 20


def test_bins_count_and_ignore_what_is_outside() -> None:
    assert bins([0.0, 0.9, 1.0, 5.0, -1.0], start=0.0, width=1.0, count=3) == [2, 1, 0]


def test_groups_reduce_the_values_of_a_bin() -> None:
    assert grouped([(0.1, 3.0), (0.2, 5.0), (2.5, 1.0)], start=0, width=1, count=3, reduce=max) == [5.0, None, 1.0]


def test_the_oldest_age_grows_while_nothing_ends(queue_run: RunRecords) -> None:
    accepted = lives(queue_run)
    start = queue_run.started
    ages = oldest_age(accepted, [start - 1, start + 5, start + 16, queue_run.ending.at + 1])
    assert ages[0] == 0
    assert 0 < ages[1] < ages[2]
    assert ages[3] == 0
