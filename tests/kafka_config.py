"""What the tests' Kafka brokers are told: listeners, who may do what, and times that a test can wait for.

The shared broker has a listener for each way to connect:

    PLAIN    plaintext, with every right
    PROXIED  plaintext; clients are sent to a port where a test puts a proxy before it
    LOST     plaintext; clients are sent to a host that does not exist
    SASL     user and password, or a token; no TLS (SASL_PLAINTEXT)
    BRIEF    the same, and who they are is good for 1.5 seconds
    TLS      a client certificate is asked for
    STALE    TLS with a certificate that has expired
    OTHER    TLS with a certificate for another host
    SECURE   both: TLS, then user and password (SASL_SSL)
"""

from collections.abc import Mapping
from typing import Final

from tests.certificates import Authority

USER: Final = "bridge"
PASSWORD: Final = "right-horse-battery"

PROTOCOLS: Final = {
    "PLAIN": "PLAINTEXT",
    "PROXIED": "PLAINTEXT",
    "LOST": "PLAINTEXT",
    "SASL": "SASL_PLAINTEXT",
    "BRIEF": "SASL_PLAINTEXT",
    "TLS": "SSL",
    "STALE": "SSL",
    "OTHER": "SSL",
    "SECURE": "SASL_SSL",
}

#: Where clients of the LOST listener are sent (RFC 2606: this top level will never exist).
NOWHERE: Final = "kafka-0.invalid"

COMMON: Final = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAIN",
    "auto.create.topics.enable": "false",
    "num.partitions": "1",
    # Small machines: internal topics of one partition, few threads.
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": "2097152",
    # What takes minutes in earnest takes part of a second here: tests wait for it.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "200",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "500",
    "log.initial.task.delay.ms": "100",
    "log.retention.check.interval.ms": "300",
    "log.cleaner.backoff.ms": "200",
    "log.segment.delete.delay.ms": "100",
    "metadata.log.max.record.bytes.between.snapshots": "20971520",
    # A quota is of a second, not of eleven.
    "quota.window.num": "2",
    # Room for records beyond any limit of the source.
    "message.max.bytes": "33554432",
    "replica.fetch.max.bytes": "33554432",
    "socket.request.max.bytes": "67108864",
}

RIGHTS: Final = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "allow.everyone.if.no.acl.found": "true",
}

_JAAS: Final = "org.apache.kafka.common.security."
SASL: Final = {
    f"listener.name.{listener}.{key}": value
    for listener in ("sasl", "brief", "secure")
    for key, value in {
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "plain.sasl.jaas.config": f'{_JAAS}plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
        "scram-sha-256.sasl.jaas.config": f"{_JAAS}scram.ScramLoginModule required;",
        "scram-sha-512.sasl.jaas.config": f"{_JAAS}scram.ScramLoginModule required;",
        "oauthbearer.sasl.jaas.config": f"{_JAAS}oauthbearer.OAuthBearerLoginModule required "
        'unsecuredLoginStringClaim_sub="broker";',
    }.items()
} | {"listener.name.brief.connections.max.reauth.ms": "1500"}


def listeners(ports: Mapping[str, int], advertised: Mapping[str, str]) -> dict[str, str]:
    """Return the properties that say where a broker listens, and where it sends its clients."""
    own = {name: port for name, port in ports.items() if name in {*PROTOCOLS, "CONTROLLER"}}
    protocols = {name: PROTOCOLS.get(name, "PLAINTEXT") for name in own}
    shown = {name: advertised.get(name, f"127.0.0.1:{port}") for name, port in own.items() if name != "CONTROLLER"}
    return {
        "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in own.items()),
        "advertised.listeners": ",".join(f"{name}://{address}" for name, address in shown.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
    }


def tls(authority: Authority) -> dict[str, str]:
    """Return the properties of the listeners with TLS."""
    told: dict[str, str] = {}
    shown = {
        "tls": authority.server,
        "stale": authority.expired,
        "other": authority.elsewhere,
        "secure": authority.server,
    }
    for name, certificate in shown.items():
        told |= {
            f"listener.name.{name}.ssl.keystore.type": "PEM",
            f"listener.name.{name}.ssl.keystore.location": str(certificate.both),
            f"listener.name.{name}.ssl.truststore.type": "PEM",
            f"listener.name.{name}.ssl.truststore.location": str(authority.ca),
            f"listener.name.{name}.ssl.client.auth": "required" if name == "tls" else "none",
        }
    return told
