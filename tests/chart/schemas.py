"""The schemas of what is rendered: Kubernetes' own, and those of the custom kinds' projects."""

import json
import re
import subprocess
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.chart.rendering import ROOT

#: How many of the newest versions of Kubernetes what is rendered must be right for.
NEWEST: Final = 3

KUBERNETES: Final = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema"

#: Groups of Kubernetes' own kinds; `ServiceMonitor` and the like come from elsewhere.
OWN_GROUPS: Final = re.compile(r"^(v1|[a-z]+/v\w+|[a-z.]+\.k8s\.io/v\w+)$")
#: Kubernetes' project, but not its API server's.
ELSEWHERE: Final = ("gateway.networking.k8s.io/",)


@cache
def versions() -> tuple[str, ...]:
    """Return the newest versions that there are schemas for."""
    found = {folder.name.removesuffix("-local-strict") for folder in KUBERNETES.glob("v*-local-strict")}
    ordered = sorted(found, key=lambda name: [int(part) for part in name.removeprefix("v").split(".")])
    return tuple(ordered[-NEWEST:])


def is_own(document: dict[str, Any]) -> bool:
    """Tell whether Kubernetes itself knows the kind."""
    version = document["apiVersion"]
    return OWN_GROUPS.match(version) is not None and not version.startswith(ELSEWHERE)


@cache
def _definitions(version: str) -> Registry[Any]:
    path = KUBERNETES / f"{version}-local-strict/_definitions.json"
    resource = Resource.from_contents(json.loads(path.read_text("utf-8")))
    return Registry().with_resource(resource.id() or "_definitions.json", resource)


@cache
def own(version: str, api: str, kind: str) -> Draft202012Validator:
    """Return what refuses unknown fields of one of Kubernetes' own kinds."""
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = json.loads((KUBERNETES / f"{version}-local-strict/{kind.lower()}-{group}.json").read_text("utf-8"))
    resource = Resource.from_contents(schema)
    return Draft202012Validator(schema, registry=resource @ _definitions(version))


@cache
def _custom() -> dict[tuple[str, str], dict[str, Any]]:
    made = subprocess.run([ROOT / "scripts/crds"], stdout=subprocess.PIPE, text=True, check=True)
    found = {}
    for file in Path(made.stdout.strip()).iterdir():
        for definition in yaml.load_all(file.read_text("utf-8"), yaml.CSafeLoader):
            if definition:
                spec = definition["spec"]
                for version in spec["versions"]:
                    schema = version["schema"]["openAPIV3Schema"]
                    found[f"{spec['group']}/{version['name']}", spec["names"]["kind"]] = schema
    return found


@cache
def custom(api: str, kind: str) -> Draft202012Validator:
    """Return what refuses unknown fields of a custom kind, as an API server does in strict mode."""
    schema = _strict(_custom()[api, kind])
    schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
    return Draft202012Validator(schema)


def _strict(schema: Any) -> Any:
    """Close what is open by default: an OpenAPI schema's objects."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(part) for key, part in schema.items()}
    # `format` and `pattern` are Go's; what an API server does with them is not to be had here.
    closed.pop("pattern", None)
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        keeps = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
        closed.setdefault("additionalProperties", bool(keeps))
    if schema.get("x-kubernetes-int-or-string"):
        closed.pop("type", None)
    return closed


def complaints(document: dict[str, Any], version: str) -> list[str]:
    """Return what is wrong with a document, for one version of Kubernetes."""
    api, kind = document["apiVersion"], document["kind"]
    validator = own(version, api, kind) if is_own(document) else custom(api, kind)
    return [f"{kind} {error.json_path}: {error.message}" for error in validator.iter_errors(document)]
