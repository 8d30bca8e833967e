"""Turn files, MQTT, Kafka, polled pages, other event streams, timers and HTTP pushes into Server-Sent Events.

The map, in the order in which a message travels:

    sources         hear of it: a kind each, kept running by `supervisor`
    inlet           the door of one source; `normalise` makes a message an event
    bus             numbers it, and hands it to the routes that want it
    route           names it, finds its key and its channel, and encodes it once (`wire`)
    channel         the log of one address: `bounds` say how much is kept, `table` keeps the latest record per key
    subscription    one subscriber's cursor over it
    gateway         opens streams, and its pump writes; `gateway/proxy` passes on what is no stream

What makes these of the file:

    config          `routes.yaml` as one value; `assemble` makes the parts, `works` holds them
    reload          reads the file again: `watch` sees it change, `difference` compares, `change` takes the step
    app, lifecycle  wire what lives as long as the process, start it and drain it; `cli` has the commands

What looks on: `meter` counts, `metrics` tells, `telemetry` logs, `traces` and `canary` follow an event all the way.

docs/architecture.md has each module, docs/why/ the reasons.
"""
