"""Values that are wrong are refused before anything is made, in words that say what to write."""

from typing import Any

import pytest

from tests.chart.rendering import refusal

REFERENCE = {"secret": "a", "key": "b"}
TEXT = "version: 1\nserver: { listen: '%s', health: '%s' }\n"

BY_SCHEMA: dict[str, tuple[dict[str, Any], str]] = {
    "a key that is not known": ({"mod": "gateway"}, "'mod' not allowed"),
    "a key that is not known further down": ({"ingress": {"tls": []}}, "'tls' not allowed"),
    "a mode that there is not": ({"mode": "daemon"}, "'gateway', 'companion', 'sidecar'"),
    "a port beyond all": ({"ports": {"public": 70_000}}, "at '/ports/public'"),
    "a port that is text": ({"ports": {"public": "8080"}}, "at '/ports/public'"),
    "a preset that there is not": ({"ingress": {"preset": "caddy"}}, "at '/ingress/preset'"),
    "an origin with a path": ({"ingress": {"later": {"origins": ["https://a/b"]}}}, "at '/ingress/later/origins/0'"),
    "an origin that ends the text": (
        {"ingress": {"later": {"origins": ['https://a"; }']}}},
        "at '/ingress/later/origins/0'",
    ),
    "a secret without its key": ({"secrets": {"env": {"A": {"secret": "a"}}}}, "at '/secrets/env/A'"),
    "a variable with a dash": (
        {"secrets": {"env": {"A-B": {"secret": "a", "key": "b"}}}},
        "invalid propertyName 'A-B'",
    ),
    "a file that climbs": (
        {"secrets": {"files": {"../a": {"secret": "a", "key": "b"}}}},
        "invalid propertyName '../a'",
    ),
    "a folder that is relative": ({"state": {"path": "state"}}, "at '/state/path'"),
    "a digest that is none": ({"image": {"digest": "latest"}}, "at '/image/digest'"),
    "a drain of a day": ({"drain": {"seconds": 86_400}}, "at '/drain/seconds'"),
    "a mount that many write": ({"state": {"accessMode": "ReadWriteMany"}}, "at '/state/accessMode'"),
    "routes that are a list": ({"routes": []}, "at '/routes'"),
    "a path that ends a rule": ({"ingress": {"path": "/a`) || Host(`b"}}, "at '/ingress/path'"),
    "a host with a scheme": ({"ingress": {"hosts": ["https://a"]}}, "at '/ingress/hosts/0'"),
}

TOGETHER: dict[str, tuple[dict[str, Any], str]] = {
    "routes twice": ({"routes": TEXT % (":8080", ":9091"), "existingConfigMap": "mine"}, "give one of them"),
    "a restart for what is not seen": (
        {"existingConfigMap": "mine", "reload": {"restart": True}},
        "does not see what is in existingConfigMap",
    ),
    "a companion without its application": ({"mode": "companion"}, "companion.image.repository"),
    "an application beside a gateway": ({"companion": {"image": {"repository": "a"}}}, "this is gateway"),
    "somebody's pods beside a gateway": ({"sidecar": {"selector": {"a": "b"}}}, "whose pods?"),
    "logs that nobody writes": ({"logs": {"enabled": True}}, "extraVolumes"),
    "a number of somebody's pods": ({"mode": "sidecar", "autoscaling": {"enabled": True}}, "your chart's"),
    "all origins and one more": (
        {"ingress": {"later": {"origins": ["*", "https://a"]}}},
        "`*` stands alone",
    ),
    "pods that could never be replaced": ({"rollout": {"surge": 0}}, "both 0"),
    "more at least than at most": ({"autoscaling": {"enabled": True, "min": 11}}, "min is more than max"),
    "two ports that are one": ({"ports": {"public": 9090}}, "must be three"),
    "an application on the bridge's port": (
        {"mode": "companion", "companion": {"image": {"repository": "a"}, "port": 8080}},
        "8080 is the bridge's",
    ),
    "a claim for two": (
        {"state": {"enabled": True, "existingClaim": "a"}, "replicas": 2},
        "one folder is for one process",
    ),
    "a sidecar's Ingress to nobody": ({"mode": "sidecar", "ingress": {"enabled": True}}, "sidecar.selector"),
    "a sidecar's NetworkPolicy for nobody": (
        {"mode": "sidecar", "networkPolicy": {"enabled": True}},
        "sidecar.selector",
    ),
    "need without a measure": ({"autoscaling": {"enabled": True, "cpu": 0}}, "both 0"),
    "a share of nothing": (
        {"autoscaling": {"enabled": True}, "resources": {"requests": {"cpu": None}}},
        "resources.requests.cpu",
    ),
    "no gateway of the Gateway API": ({"ingress": {"enabled": True, "preset": "httproute"}}, "httproute.parents"),
    "no gateway of Istio": ({"ingress": {"enabled": True, "preset": "istio"}}, "istio.gateways"),
    "a text that listens elsewhere": ({"routes": TEXT % (":80", ":9091")}, "write `listen: ${LISTEN}`"),
    "a text that nobody reaches": (
        {"routes": TEXT % ("127.0.0.1:8080", ":9091")},
        "8080 (ports.public) of all addresses",
    ),
    "a text whose health nobody reaches": ({"routes": TEXT % (":8080", "[::1]:9091")}, "write `health: ${HEALTH}`"),
    "a text that listens nowhere": ({"routes": "version: 1\n"}, "must be on port"),
    "a text without health": ({"routes": "server: { listen: ':8080' }\n"}, "write `health: ${HEALTH}`"),
    "a mapping that listens elsewhere": ({"routes": {"server": {"listen": [":81", ":82"]}}}, "must be on port 8080"),
}


@pytest.mark.parametrize("name", BY_SCHEMA)
def test_the_schema_refuses(name: str) -> None:
    """The words name the place."""
    values, words = BY_SCHEMA[name]
    said = refusal(values)
    assert "don't meet the specifications" in said
    assert words in said


@pytest.mark.parametrize("name", TOGETHER)
def test_the_templates_refuse(name: str) -> None:
    """The words name the value, and say what to do."""
    values, words = TOGETHER[name]
    said = refusal(values)
    assert words in said
    assert "nil pointer" not in said
