"""The way to the application behind us: what is ours is answered here, all else goes there and comes back.

* `target`      what the configuration says of one application
* `heads`       a request's head and an answer's head as they go on; pure
* `forwarding`  `X-Forwarded-*`, `Forwarded` and `Via`
* `upstream`    connections to one application, and whether it is well
* `downstream`  writing to the client, at its pace
* `exchange`    one request and its answer, streamed both ways
* `upload`      the request's body on its way, and `Expect: 100-continue`
* `events`      heartbeats between the events of an application's own stream
* `silence`     TCP's own questions, where nothing may be said for hours
* `tunnel`      both connections as one, after a 101
* `trouble`     what goes wrong, as a status and a sentence
* `proxy`       which application, how many at a time, and the end
"""
