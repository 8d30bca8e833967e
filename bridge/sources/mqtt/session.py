"""One connection: from CONNECT to its end, whatever ends it.

    CONNECT ─▶ CONNACK ─▶ SUBSCRIBE … SUBACK ─▶ up ─▶ lost

All that a packet does is done before the next one is looked at, without awaiting. A broker that sends faster than the
bridge takes in has to wait: what came in one turn of the loop is cut into batches, and nothing is read meanwhile.
"""

import asyncio
import time
from typing import Any, Final

import aiohttp
import structlog

from bridge.event import Loss
from bridge.sources.base import Outlet
from bridge.sources.mqtt.control import Control, Greeting, options
from bridge.sources.mqtt.identity import ClientId
from bridge.sources.mqtt.intake import Intake, Memory
from bridge.sources.mqtt.link import Link, connect
from bridge.sources.mqtt.packets import CONNACK, DISCONNECT, PUBLISH, PUBREL, SUBACK, Packet, Splitter
from bridge.sources.mqtt.plan import Plan
from bridge.sources.mqtt.properties import MalformedError, decode_properties
from bridge.sources.mqtt.reasons import LostError, broken, disconnected, refused, unreachable, unsubscribed
from bridge.sources.mqtt.topics import Filter

log = structlog.get_logger()

#: Packets that one turn of the loop takes: some ten milliseconds, during which no stream is served.
BATCH: Final = 256

#: Seconds that a broker may take for each of its answers, as `link.CONNECT` gives for the way there.
ANSWER: Final = 10.0

#: Codes from here on are failures (MQTT 5.0, section 2.4).
FAILURE: Final = 0x80

#: Bytes of a CONNACK's flags and code.
MIN_CONNACK: Final = 2

#: Seconds between two looks at the keepalive.
TICK: Final = 1.0


class Session:
    """One connection; `Peer` of its link."""

    def __init__(self, plan: Plan, client_id: ClientId, memory: Memory, outlet: Outlet) -> None:
        self._plan = plan
        self._memory = memory
        self._outlet = outlet
        self._client_id = client_id.text
        self._is_fleeting = client_id.is_fleeting
        self._splitter = Splitter(plan.max)
        self._control = Control(self._greeting(), plan.user, plan.password, self._write)
        self._intake = Intake(plan, memory, outlet, self._write)
        self._link: Link | None = None
        self._over: asyncio.Future[LostError] = asyncio.get_running_loop().create_future()
        self._is_paused = False
        self._greeted: asyncio.Future[None] = self._over.get_loop().create_future()
        self._ready: asyncio.Future[None] = self._over.get_loop().create_future()
        #: Subscriptions that were sent, by packet, and what the broker refused.
        self._asked: dict[int, tuple[Filter, bool]] = {}
        self._denied: dict[Filter, int] = {}
        #: When it was up, by the loop's clock; None before.
        self.up_at: float | None = None

    async def run(self) -> LostError:
        """Connect and take in messages; return why there is no connection, or no more.

        Raises `SourceError` where the certificates cannot be read. Cancelled, it says goodbye and closes.
        """
        plan = self._plan
        # Certificates are read anew each time, since they are renewed in place.
        context = await asyncio.to_thread(plan.tls.context) if plan.tls is not None else None
        try:
            async with connect(plan.address, context, self, plan.max) as link:
                self._link = link
                try:
                    return await self._serve()
                finally:
                    self._control.disconnect(forget=self._is_fleeting and not self._over.done())
        except (OSError, aiohttp.ClientError) as error:
            return unreachable(error, plan.address)

    async def _serve(self) -> LostError:
        """Return why the connection is over."""
        at, loop = self._plan.address.authority, asyncio.get_running_loop()
        self._control.connect()
        await self._wait(self._greeted, ANSWER)
        if not self._greeted.done():
            self._fail(LostError(f"{at} takes the connection, but does not answer: is it an MQTT broker?"))
        await self._wait(self._ready, ANSWER)
        if not self._ready.done():
            self._fail(LostError(f"{at} does not answer a subscription"))
        if not self._over.done():
            self.up_at = loop.time()
            self._outlet.up()
        while not self._over.done():
            await self._wait(self._over, TICK)
            self._control.tick()
            if self._control.is_over:
                self._fail(LostError(f"{at} did not answer within the keepalive: the connection is dead"))
        return self._over.result()

    async def _wait(self, told: asyncio.Future[Any], seconds: float) -> None:
        """Wait for something, or for the end, or for so long."""
        await asyncio.wait((told, self._over), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def received(self, data: bytes) -> None:
        """Take in bytes."""
        self._splitter.feed(data)
        if not self._is_paused:
            self._turn()

    def closed(self, error: BaseException | None) -> None:
        """Take in what came before the end, and that it is one."""
        plan = self._plan
        shows = plan.tls is not None and plan.tls.cert is not None
        try:
            while not self._over.done() and self._take():
                pass
        finally:
            is_early = not self._greeted.done()
            self._fail(broken(error, plan.address, is_early=is_early, shows_certificate=shows))

    def _turn(self) -> None:
        """Take one batch; come back for the next one, and let the broker wait meanwhile."""
        is_sound = False
        try:
            is_more = not self._over.done() and self._take()
            is_sound = True
        finally:
            if not is_sound:
                # Nobody awaits this, so what was raised ends in the loop's log. What it cost is not acknowledged.
                self._fail(LostError("internal error: a message could not be taken in"))
        if is_more:
            self._over.get_loop().call_soon(self._turn)
        if is_more != self._is_paused and self._link is not None:
            (self._link.pause if is_more else self._link.resume)()
        self._is_paused = is_more

    def _take(self) -> bool:
        """Take packets, a batch at most; tell whether there may be more."""
        now = time.time()
        try:
            for _ in range(BATCH):
                packet = self._splitter.next()
                if packet is None or self._over.done():
                    return False
                self._handle(packet, now)
        except MalformedError as error:
            self._fail(LostError(str(error)))
            return False
        finally:
            self._intake.flush()
        return True

    def _handle(self, packet: Packet, now: float) -> None:
        kind = packet.kind
        if kind == CONNACK:
            self._connack(packet)
        elif not self._greeted.done():
            raise MalformedError("the broker's first packet is no CONNACK")
        elif kind == PUBLISH:
            self._intake.take(packet, now)
        elif kind == PUBREL:
            self._intake.release(packet)
        elif kind == SUBACK:
            self._suback(packet)
        elif kind == DISCONNECT and self._plan.is_five:
            self._fail(disconnected(packet.body[0] if packet.body else 0, _said(packet.body, 1)))
        else:
            self._control.take(packet.raw)

    def _connack(self, packet: Packet) -> None:
        body, is_five = packet.body, self._plan.is_five
        if self._greeted.done() or len(body) < MIN_CONNACK:
            raise MalformedError("a CONNACK of the broker is malformed")
        if body[1]:
            # A broker that only knows 3.1.1 answers so, too.
            self._fail(refused(body[1], _said(body, MIN_CONNACK), is_five=body[1] >= FAILURE and is_five))
            return
        self._control.take(packet.raw)
        self._greeted.set_result(None)
        self._begin(is_present=bool(body[0] & 1))

    def _begin(self, *, is_present: bool) -> None:
        """Go on with the broker's session, or subscribe; tell what was missed, before anything new comes."""
        memory, topics = self._memory, self._plan.topics
        log.info(
            "connected to the broker",
            source=self._plan.name,
            broker=self._plan.address.authority,
            client_id=self._client_id,
            session="resumed" if is_present else "new",
        )
        if not is_present:
            memory.held.clear()
            memory.subscribed = frozenset()
        is_gap = memory.was_up and (not is_present or memory.heard_zero)
        if is_gap:
            self._outlet.lose(Loss(reason="broker_session_lost"))
        self._intake.has_ids = self._plan.is_five and self._control.offers.get("SubscriptionIdentifierAvailable", 1) > 0
        if memory.was_up and not is_gap and memory.subscribed == {each.text for each in topics.filters}:
            self._settle()
            return
        topics.refuse(frozenset())
        had = memory.subscribed or {each.text for each in topics.filters}
        topics.defer(frozenset(each.id for each in topics.filters if each.text not in had))
        is_look = self._intake.has_ids and not self._plan.is_shared
        for each in topics.filters:
            self._subscribe(each, is_look=is_look)

    def _subscribe(self, filter: Filter, *, is_look: bool) -> None:
        """Subscribe to one filter, under an identifier of its own.

        A look brings the retained messages, and its identifier tells which those are. The subscription after it takes
        its place under another one and brings none. Both keep the flag of live messages that are retained: so one
        that was cleared is told from an empty one. (The flag is set twice, since Mosquitto 2.0 heeds the first only.)
        """
        plan, id = self._plan, 0
        if self._intake.has_ids:
            id = filter.id if is_look else filter.id + 1
        chosen = options(plan.qos, brings=is_look or not id, tells=id > 0) if plan.is_five else None
        self._asked[self._control.subscribe(filter.sent, plan.qos, chosen, id)] = (filter, is_look)

    def _suback(self, packet: Packet) -> None:
        self._control.take(packet.raw)
        mid = int.from_bytes(packet.body[:2], "big")
        filter, is_look = self._asked.pop(mid, (None, False))
        codes = self._control.answers.pop(mid, [])
        if filter is None or len(codes) != 1:
            raise MalformedError("a SUBACK of the broker answers nothing that was asked")
        if codes[0] >= FAILURE:
            self._deny(filter, codes[0])
        else:
            self._memory.was_up = True
        if not self._asked:
            self._answered(is_look=is_look)

    def _deny(self, filter: Filter, code: int) -> None:
        log.warning("topic refused", source=self._plan.name, topic=filter.text, reason=unsubscribed(code))
        self._denied[filter] = code
        self._plan.topics.refuse(frozenset(each.id for each in self._denied))

    def _answered(self, *, is_look: bool) -> None:
        granted = [each for each in self._plan.topics.filters if each not in self._denied]
        if not granted:
            topic, code = next(iter(self._denied.items()))
            self._fail(LostError(f"the broker refuses every topic, {topic.text} too: {unsubscribed(code)}", code))
        elif is_look:
            for each in granted:
                self._subscribe(each, is_look=False)
        else:
            self._memory.subscribed = frozenset(each.text for each in granted)
            self._settle()

    def _settle(self) -> None:
        self._plan.topics.defer(frozenset())
        self._intake.is_settled = True
        self._ready.set_result(None)

    def _fail(self, lost: LostError) -> None:
        if not self._over.done():
            self._over.set_result(lost)

    def _write(self, data: bytes) -> None:
        if self._link is not None:
            self._link.write(data)

    def _greeting(self) -> Greeting:
        plan = self._plan
        return Greeting(
            client_id=self._client_id,
            is_five=plan.is_five,
            is_clean=not plan.keeps,
            keepalive=plan.keepalive,
            # No largest packet: a broker that knows it drops what is larger without a word, and we could tell nobody.
            properties={"SessionExpiryInterval": plan.expiry, "ReceiveMaximum": plan.inflight},
        )


def _said(body: bytes, at: int) -> str:
    """Return the broker's own words, which stand in the properties at `at`; "" where there are none."""
    try:
        return decode_properties(body, at)[0].reason
    except MalformedError:
        return ""
