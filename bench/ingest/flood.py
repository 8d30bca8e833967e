"""What is read: topics that are full before anybody reads, and sessions whose messages wait for their client."""

import asyncio
import json
import logging
import time
import uuid

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PARTITIONS = 3
DEVICES = 100

#: Bytes of a producer's batch, as clients have it by default.
BATCH = 16_384

#: Messages that the publisher may have on their way, and seconds until all of them are at the broker.
INFLIGHT = 1000
PATIENCE = 120.0

#: Seconds for which a session is kept.
EXPIRY = 3600


def payload(number: int, size: int) -> bytes:
    """Return what a device would send, of this size; it compresses as such things do."""
    told = {"device": f"pump-{number % DEVICES}", "number": number, "value": number * 7919 % 10_007 / 100}
    head = json.dumps(told)[:-1] + ', "trace": "'
    noise = uuid.uuid5(uuid.NAMESPACE_URL, str(number)).hex
    return f'{head}{noise.ljust(size - len(head) - 2, "x")[: size - len(head) - 2]}"}}'.encode()


def fill_topic(port: int, topic: str, payloads: list[bytes], compression: str | None) -> None:
    """Make a Kafka topic, and write the records to its partitions in turn."""
    asyncio.run(_fill(f"127.0.0.1:{port}", topic, payloads, compression))


async def _fill(address: str, topic: str, payloads: list[bytes], compression: str | None) -> None:
    # A topic is there a moment before its partitions have leaders, and the library would say so at each try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=address, compression_type=compression, max_batch_size=BATCH, linger_ms=5
    ) as producer:
        sent = []
        for partition in range(PARTITIONS):
            batch = producer.create_batch()
            for number, value in enumerate(payloads[partition::PARTITIONS]):
                key, now = f"pump-{number % DEVICES}".encode(), int(time.time() * 1000)
                if batch.append(key=key, value=value, timestamp=now) is None:
                    sent.append(await producer.send_batch(batch, topic, partition=partition))
                    batch = producer.create_batch()
                    batch.append(key=key, value=value, timestamp=now)
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)


def client(name: str) -> Client:
    """Make an MQTT 5 client."""
    return Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=MQTTProtocolVersion.MQTTv5)


def join(client: Client, port: int, *, is_new: bool, inflight: int | None = None) -> None:
    """Connect to the client's session, which outlasts its connection; it begins anew, or is as it was left."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = EXPIRY
    if inflight is not None:
        properties.ReceiveMaximum = inflight
    client.connect("127.0.0.1", port, clean_start=is_new, properties=properties)


def make_session(port: int, name: str, topics: str, qos: int) -> None:
    """Subscribe under a client id, and leave: from then on the broker keeps what comes."""
    maker = client(name)
    maker.on_connect = lambda *_: maker.subscribe(topics, qos)
    maker.on_subscribe = lambda *_: maker.disconnect()
    join(maker, port, is_new=True)
    maker.loop_forever()


def publish(port: int, prefix: str, payloads: list[bytes], qos: int) -> None:
    """Publish the messages, and return when the broker has them all."""
    publisher = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    publisher.max_inflight_messages_set(INFLIGHT)
    publisher.max_queued_messages_set(0)
    publisher.connect("127.0.0.1", port)
    publisher.loop_start()
    for number, value in enumerate(payloads):
        publisher.publish(f"{prefix}/pump-{number % DEVICES}", value, qos)
    # The broker answers this one after all that came before.
    publisher.publish(f"end/{prefix}", b"", 1).wait_for_publish(PATIENCE)
    publisher.disconnect()
    publisher.loop_stop()
