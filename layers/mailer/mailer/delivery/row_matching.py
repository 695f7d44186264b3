"""Which of SES's rows an unknown email can claim without taking the only one that another could have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def leaves_rows_to(others: Sequence[Collection[str]], claimed: str) -> bool:
    """Return whether each of the other emails could still have a row of its own if `claimed` is taken.

    `others` has the rows that each of them could have; this is a matching of emails and rows, found by
    augmenting paths.
    """
    owners: dict[str, int] = {}

    def finds_a_row(email: int, tried: set[str]) -> bool:
        for row in others[email]:
            if row in tried:
                continue
            tried.add(row)
            if row not in owners or finds_a_row(owners[row], tried):
                owners[row] = email
                return True
        return False

    return all(finds_a_row(email, {claimed}) for email in range(len(others)))
