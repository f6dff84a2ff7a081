"""The rules of the protocol, each of which a variant can break, and the small worlds in which it is searched."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Rules:
    """True everywhere is the protocol; a variant has one of them false."""

    orders_are_journaled: bool = True
    units_are_leased: bool = True
    journal_comes_before_publish: bool = True
    slot_waits_for_certainty: bool = True
    one_page_at_a_time: bool = True
    page_is_newer_than_slot: bool = True
    slot_must_exist: bool = True
    refused_page_is_looked_at: bool = True
    idle_excludes_used: bool = True
    first_lease_needs_open_session: bool = True
    lease_stays_with_session: bool = True
    hold_ends_with_session: bool = True
    withdrawal_needs_open_slot: bool = True
    slots_close_before_lease: bool = True
    lease_closes_at_its_sequence: bool = True
    lease_closes_before_slots_go: bool = True
    slots_wait_for_publish: bool = True
    endings_are_guarded: bool = True
    guard_is_of_the_reservation: bool = True
    ledger_keeps_the_reservation: bool = True
    reopening_keeps_the_guard: bool = True
    ending_names_its_reopening: bool = True
    late_answer_takes_a_unit: bool = True
    repeat_looks_into_journals: bool = True


WRITES = ("lease", "page", "publish", "withdrawal", "closing", "ending")


@dataclass(frozen=True, kw_only=True)
class World:
    """Reservation r is asked for at process `places[r]` for order `orders[r]`; process p sells as session p."""

    name: str
    total: int
    places: tuple[int, ...]
    orders: tuple[int, ...]
    slots: int = 1
    # How many writes get no answer, and land late or never; and which.
    late: int = 1
    unanswered: tuple[str, ...] = WRITES
    # How often a lease may be changed: lease and return could alternate for ever.
    leases: int = 2
    # Whether a process may open another session when its first is gone, the topic refuse, the provider decline, and an
    # order fail and be redriven.
    reopens: bool = False
    refusals: bool = True
    declines: bool = False
    fails: bool = False
    redrives: int = 1
    reopens_first: bool = False  # before the redrive's claim, not after it
    # Whether a failed order may be completed by an answer that comes late, as decision 13 has it.
    late_answers: bool = False
    # Whether the second request of an order is a repeat, sent when the first has come as far as the journal; it is told
    # "sold out" where nothing is left.
    repeats: bool = False

    @property
    def sessions(self) -> int:
        return max(self.places) + 1
