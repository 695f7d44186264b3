"""Who asks for emails: HTTP callers, queues that redeliver, and alarms about errors of their own."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from mailer.delivery.deliver import deliver
from mailer.delivery.outcome import Disposition
from mailer.email.identity import Key, KeyKind
from mailer.email.request import EmailRequest
from mailer.triggers.ckafka import CKAFKA
from mailer.triggers.eventbridge import EVENTBRIDGE
from mailer.triggers.kafka import KAFKA
from mailer.triggers.messages import Ack, Message, process
from mailer.triggers.sqs import SQS
from simulation.facts import CHAOS, MINUTE, RECIPIENTS, SECOND, Email, Told, later
from simulation.kafka_topic import KafkaTopic
from simulation.store import ACCOUNT

if TYPE_CHECKING:
    from mailer.runtime import Runtime
    from simulation.history import History

CALLED = ("http", "http", "alarm")
QUEUES = {"sqs": SQS, "ckafka": CKAFKA, "eventbridge": EVENTBRIDGE, "kafka": KAFKA}
MAX_TRIES = 5
TOGETHER = (0, 16 * MINUTE, 32 * MINUTE)  # when many emails meet halts that have just ended


class Callers:
    """The emails of one history, and their deliveries."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._random, self._world = history.random, history.world
        self._topic = KafkaTopic(history.random, history.world)

    def plan(self) -> None:
        """Plan who asks for what, and when."""
        emails = 8 if self._history.plan.halts else self._random.choice((1, 2, 2, 3, 3, 4))
        for number in range(emails):
            self._plan_email(number)

    def _plan_email(self, number: int) -> None:
        content = self._content(number)
        trigger = self._random.choice((*CALLED, *QUEUES))
        email = (self._record if trigger == "kafka" else self._email)(number, trigger, content)
        if any(other.contents[0]["to"] == content["to"] for other in self._history.emails):
            self._world.reach("fault: look-alike")
        self._history.labels[email.id] = email.name
        self._history.emails.append(email)
        self._plan_deliveries(email)

    def _record(self, number: int, trigger: str, content: dict[str, Any]) -> Email:
        """Return the email of a record, which is the same at each delivery."""
        event = self._topic.add(content)
        [message] = KAFKA.messages(event)
        key = str(message.key)
        email_id = Key(key, KeyKind.PLATFORM).email_id(ACCOUNT)
        return Email(f"email {number}", email_id, key, trigger, [content], platform=False, record=event)

    def _email(self, number: int, trigger: str, content: dict[str, Any]) -> Email:
        random = self._random
        platform = trigger in QUEUES and random.random() < 0.7
        key = Key(f"key-{number}", KeyKind.PLATFORM if platform else KeyKind.CALLER)
        email = Email(f"email {number}", key.email_id(ACCOUNT), key.text, trigger, [content], platform)
        if random.random() < (0.5 if "expires_at" in content else 0.15):
            other = {**content, "subject": f"email {number} other"}
            if "expires_at" in content:
                other["expires_at"] = self._instant(CHAOS - random.randrange(10 * MINUTE))
            email.contents.append(other)
        return email

    def _plan_deliveries(self, email: Email) -> None:
        random, world = self._random, self._world
        if self._history.plan.halts:
            for milliseconds in TOGETHER:
                for longest in (3 * SECOND, 30 * SECOND, 3 * MINUTE):
                    moment = world.start + milliseconds + random.randrange(longest)
                    world.at(moment, lambda: self._deliver(email))
            return
        first = later(random, 5 * MINUTE) if random.random() < 0.3 else random.randrange(2 * SECOND)
        world.at(world.start + first, lambda: self._deliver(email))
        for _ in range(random.choice((0, 0, 1, 1, 2))):
            world.at(world.start + first + later(random, 30 * MINUTE), lambda: self._deliver(email))

    def _content(self, number: int) -> dict[str, Any]:
        random = self._random
        templates = (1, 2, 3, 4) if self._history.plan.halts else (1, 1, 2)
        content: dict[str, Any] = {
            "to": random.choice(RECIPIENTS[: random.choice((1, 2, 3))]),
            "subject": f"email {number}",
            "template": {"id": random.choice(templates), "data": {"n": str(number)}},
        }
        if random.random() < 0.25:
            content["cc"] = [address for address in RECIPIENTS if address != content["to"]][:1]
        if random.random() < 0.2:
            content["on_unknown"] = "hold"
        if number % 2:
            content["on_suppressed"] = "drop"
        if random.random() < 0.15:
            content["send_at"] = self._instant(later(random, 20 * MINUTE))
        elif random.random() < 0.25:
            content["expires_at"] = self._instant(later(random, 30 * MINUTE))
        return content

    def _instant(self, milliseconds: int) -> str:
        moment = datetime.fromtimestamp((self._world.start + milliseconds) / SECOND, timezone.utc)
        return moment.isoformat(timespec="milliseconds")

    def _deliver(self, email: Email) -> None:
        """Deliver the event of an email, once more if it was before."""
        content = self._random.choice(email.contents) if email.tries else email.contents[0]
        email.tries += 1
        self._world.reach("fault: delivered again" if email.tries > 1 else "delivered")
        if content is not email.contents[0]:
            self._world.reach("fault: other content under the key")
        run = self._consume if email.trigger in QUEUES else self._call
        what = f"{email.trigger} delivers {email.name}, {content['subject']!r}, time {email.tries}"
        self._history.invoke(
            what, lambda runtime: run(email, content, runtime), lambda: self._deliver_again(email)
        )

    def _deliver_again(self, email: Email) -> None:
        chance = 0.1 if email.done else 0.8
        if email.tries < MAX_TRIES and not self._history.faults.calm and self._random.random() < chance:
            self._world.after(later(self._random, 15 * MINUTE) + 500, lambda: self._deliver(email))

    def _call(self, email: Email, content: dict[str, Any], runtime: Runtime) -> None:
        if email.trigger != "alarm":
            self._call_deliver(email, content, runtime)
            return
        try:
            _fail()
        except requests.exceptions.RequestException:
            self._world.reach("fault: called while an error is handled")
            self._call_deliver(email, content, runtime)

    def _call_deliver(self, email: Email, content: dict[str, Any], runtime: Runtime) -> None:
        request = EmailRequest.parse(content, runtime.config.defaults)
        outcome = deliver(
            request,
            key=email.key,
            trigger=email.trigger,
            deadline=self._history.deadline(),
            runtime=runtime,
        )
        kept = outcome.disposition in {Disposition.ACCEPTED, Disposition.PENDING}
        self._tell(email, content, outcome.disposition.value, promised=kept)
        email.done |= kept or outcome.disposition in {Disposition.REFUSED, Disposition.KEY_REUSED}

    def _consume(self, email: Email, content: dict[str, Any], runtime: Runtime) -> None:
        message = self._message(email, content)
        [result] = process(QUEUES[email.trigger], [message], self._history.deadline(), runtime)
        done = result.ack in {Ack.ACK, Ack.DEAD_LETTER}
        self._tell(email, content, result.ack.value, promised=done)
        email.done |= done

    def _message(self, email: Email, content: dict[str, Any]) -> Message:
        if email.record:
            [message] = KAFKA.messages(email.record)
            return message
        body = content if email.platform else {**content, "idempotency_key": email.key}
        key = email.key if email.platform else f"message of {email.key}"
        return Message(key, json.dumps(body), {"source": email.trigger}, receive_count=email.tries)

    def _tell(self, email: Email, content: dict[str, Any], answer: str, *, promised: bool) -> None:
        process = self._world.process
        self._history.note(f"{email.trigger} is told {answer} of {email.name}")
        self._world.reach(f"told: {answer}")
        if promised:
            about = "dead_letter" if answer == Ack.DEAD_LETTER.value else email.id
            step = process.replied_at.get(about, self._world.step)
            self._history.told.append(Told(email, content["subject"], answer, step))


def _fail() -> None:
    """Fail as a request of the caller's own does that was certainly not sent."""
    connection: Any = None
    raise requests.exceptions.ConnectionError(urllib3.exceptions.NewConnectionError(connection, "refused"))
