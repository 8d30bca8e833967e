"""Turn files, MQTT, Kafka, timers and HTTP pushes into Server-Sent Events."""
