"""Turn files, MQTT, Kafka, polled pages, other event streams, timers and HTTP pushes into Server-Sent Events."""
