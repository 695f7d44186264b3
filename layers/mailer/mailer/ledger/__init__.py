"""The ledger: the state of every email, in Valkey (or any Redis from 7 on).

Every step that must be atomic is one Lua script on the server's clock, one round trip. All keys carry the
account as a hash tag, so that a cluster keeps them together. Only this package talks to the store.
"""

from .admission import LEASE_SECONDS, Admission, Attempt, CallResult, DeferPolicy, Settlement, Verdict
from .bounds import Bounds
from .records import Ledger
from .store import Store

__all__ = [
    "LEASE_SECONDS",
    "Admission",
    "Attempt",
    "Bounds",
    "CallResult",
    "DeferPolicy",
    "Ledger",
    "Settlement",
    "Store",
    "Verdict",
]
