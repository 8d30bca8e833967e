"""The `mqtt` source: messages of a broker, over one connection however many routes.

Files in the order in which the data travels:

    model       the keys, and `run`
    plan        what the keys say, made ready
    follow      one connection after another          identity   under which client id
    session     one connection: from CONNECT to its end
    link        bytes over TCP, TLS or a WebSocket    address    where to
    packets     bytes into packets                    properties what MQTT 5 says beside them
    control     paho: CONNECT, SUBSCRIBE, pings       reasons    why there is no connection, in words
    intake      messages to the outlet, then acknowledged
    topics      templates, subscriptions, captures    retained   what old subscribers have seen

`docs/why/mqtt-sessions.md` has the reasons for what is decided here.
"""

from bridge.sources.mqtt.model import Mqtt, Session

__all__ = ["Mqtt", "Session"]
