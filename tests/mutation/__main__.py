"""Change the code bit by bit, and count the changes that no test notices: `make mutants`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mutation.edits import run_edits
from mutation.parts import chosen_parts, read_toml
from mutation.run_mutmut import run_part

if TYPE_CHECKING:
    from mutation.mutants import Mutant

KILLED_AT_LEAST = 90.0  # percent, of each part


def _share(killed: int, total: int) -> float:
    return 100 * killed / total if total else 100.0


def _report(name: str, mutants: list[Mutant], listed: dict[tuple[str, str], str]) -> bool:
    """Print a part's figures and what is wrong with them; return whether all is well."""
    by = {
        outcome: sum(mutant.outcome == outcome for mutant in mutants)
        for outcome in ("test", "mypy", "timeout")
    }
    killed = sum(by.values())
    share = _share(killed, len(mutants))
    print(
        f"{name}: {killed} of {len(mutants)} killed ({share:.1f} %): {by['test']} by tests, "
        f"{by['mypy']} by mypy, {by['timeout']} by a timeout"
    )
    unlisted = [m for m in mutants if not m.killed and (m.place, m.change) not in listed]
    for mutant in unlisted:
        print(f"\n# {mutant.outcome}, and not in survivors.toml\n[[survivor]]")
        print(f"place = \"{mutant.place}\"\nchange = '''\n{mutant.change}'''\nwhy = \"\"")
    if share < KILLED_AT_LEAST:
        print(f"\n{name}: fewer than {KILLED_AT_LEAST:.0f} % were killed")
    return not unlisted and share >= KILLED_AT_LEAST


def _outdated(mutants: list[Mutant], listed: dict[tuple[str, str], str]) -> list[tuple[str, str]]:
    """Return the entries of survivors.toml that name no survivor, of the places that were tested."""
    places = {mutant.place for mutant in mutants}
    survived = {(mutant.place, mutant.change) for mutant in mutants if not mutant.killed}
    return [entry for entry in listed if entry[0] in places and entry not in survived]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--only", default="", help="parts or modules, with commas: ses,ledger/keys")
    parser.add_argument("--resume", action="store_true", help="keep what an earlier run has found")
    parser.add_argument("--jobs", type=int, default=1, help="mutants that are tested at a time")
    options = parser.parse_args()
    entries = read_toml("survivors.toml")["survivor"]
    listed = {(entry["place"], entry["change"]): entry["why"] for entry in entries}
    results = {
        part.name: (
            run_part(part, resume=options.resume, jobs=options.jobs) if part.modules else run_edits(part)
        )
        for part in chosen_parts(options.only)
    }
    well = [_report(name, mutants, listed) for name, mutants in results.items()]
    outdated = _outdated([mutant for mutants in results.values() for mutant in mutants], listed)
    for place, change in outdated:
        print(f"\nsurvivors.toml lists what is killed, or is no mutant any more: {place}\n{change}")
    if not all(well) or outdated:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
