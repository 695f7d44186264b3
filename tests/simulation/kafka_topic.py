"""Records of a Kafka topic of two clusters, each with offsets of its own; it may be made anew."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from random import Random

    from simulation.world import World

CLUSTERS = ("broker-1.one.example:9092", "broker-1.two.example:9092")
TOPIC = "emails"


class KafkaTopic:
    """The records of one history, as Lambda's event source mapping of a self-managed cluster brings them."""

    def __init__(self, random: Random, world: World) -> None:
        self._random, self._world = random, world
        self._offsets: Counter[str] = Counter()
        self._records = 0

    def add(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return the event of one more record, in one of the clusters; the topic may have been made anew."""
        cluster = self._random.choice(CLUSTERS)
        if self._random.random() < 0.2:
            self._offsets[cluster] = 0
        offset = self._offsets[cluster]
        if self._records and any(self._offsets[other] > offset for other in CLUSTERS):
            self._world.reach("fault: offset of another record")
        self._offsets[cluster] += 1
        self._records += 1
        record = {
            "topic": TOPIC,
            "partition": 0,
            "offset": offset,
            "timestamp": self._world.start + self._records,
            "timestampType": "CREATE_TIME",
            "value": base64.b64encode(json.dumps(content).encode()).decode(),
            "headers": [],
        }
        return {
            "eventSource": "SelfManagedKafka",
            "bootstrapServers": cluster,
            "records": {f"{TOPIC}-0": [record]},
        }
