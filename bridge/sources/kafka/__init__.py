"""The `kafka` source: topics of a Kafka cluster, read by aiokafka.

Files in the order in which the data travels:

    model       the keys, and `run`;   plan: what a run makes of them;   topics, begin: which topics, from where
    follow      the shell: connect, read, connect again
    link        questions of our own: metadata has the answers;   trouble has the words;   sasl: who we are
    survey      which topics and partitions there are
    consumer    aiokafka's consumer, opened and closed;   runs: how records are taken from it;   journal: what it logs
    session     one connection's life: what is fetched, and a watch beside it (pulse)
    assignment  which partitions are read, from where;   remedy, damage: what to do where one cannot be read on
    emission    records become messages (message; registry, avro, extent) and go to the outlet
    stand       where the source stands;   ledger: under which numbers
    log         the topics as a log: backlog says what is read back of a scene, reader does it
"""

from bridge.sources.kafka.model import Kafka

__all__ = ["Kafka"]
