"""The four commands: plan, deploy, info, remove."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from deploy.tencent.plan import (
    MANAGED_MARK,
    Change,
    concurrency_changes,
    description,
    function_changes,
    published_version,
    trigger_changes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.tencent.api import Scf
    from deploy.tencent.service import Function, Package, Service

Json = dict[str, Any]
KEPT_VERSIONS = 10  # of the layer: enough to go back to; SCF holds 200


class Deployer:
    """Changes an account to match a service. ``report`` is called with one line for each change."""

    def __init__(self, service: Service, scf: Scf, report: Callable[[str], object]) -> None:
        self.service = service
        self.scf = scf
        self.report = report

    def plan(self) -> list[Change]:
        """Return every change that ``deploy`` would make now; only reads."""
        layer = self.service.layer
        version = published_version(layer, self.scf.layer_versions(layer.name))
        changes = [] if version else [self._publication()]
        for function in self.service.functions.values():
            deployed = self.scf.function(function.name)
            changes += function_changes(self.service, function, version, deployed)
            changes += concurrency_changes(function, self._reserved_memory(function) if deployed else None)
            changes += trigger_changes(function, self.scf.triggers(function.name) if deployed else [])
        for change in changes:
            self.report(str(change))
        return changes

    def deploy(self) -> list[Change]:
        """Publish the layer, create or update each function, then its triggers; return the changes."""
        version, made = self._publish_layer()
        for function in self.service.functions.values():
            made += self._deploy_function(function, version)
        if any(change.action == "PublishLayerVersion" for change in made):
            self._delete_old_versions(version)
        return made

    def info(self) -> list[str]:
        """Return one line for each function and trigger, with layer versions and the URL that callers use."""
        lines = []
        for function in self.service.functions.values():
            deployed = self.scf.function(function.name)
            if deployed is None:
                lines.append(f"function {function.name}: not deployed")
                continue
            layers = ", ".join(
                f"{layer['LayerName']}:{layer['LayerVersion']}" for layer in deployed["Layers"]
            )
            lines.append(
                f"function {function.name}: {deployed['Status']}, {layers}, changed {deployed['ModTime']}"
            )
            for trigger in self.scf.triggers(function.name):
                state = "on" if trigger["Enable"] else "OFF"
                where = trigger["TriggerDesc"].get("cron") or trigger["TriggerDesc"].get("NetConfig", {}).get(
                    "ExtranetUrl"
                )
                lines.append(
                    f"  {trigger['Type']} {trigger['TriggerName']}: {state}" + (f", {where}" if where else "")
                )
        return lines

    def remove(self) -> None:
        """Delete triggers, functions, then the layer's versions; skip what does not exist."""
        for function in self.service.functions.values():
            if self.scf.function(function.name) is None:
                continue
            for trigger in self.scf.triggers(function.name):
                parameters = {key: trigger[key] for key in ("TriggerName", "Type", "Qualifier")}
                self.scf.change("DeleteTrigger", function.name, parameters)
            self.scf.delete_function(function.name)
            self.report(f"- function {function.name}")
        for version in self.scf.layer_versions(self.service.layer.name):
            self._delete_version(version)

    def _publication(self) -> Change:
        layer = self.service.layer
        sha256 = layer.package.sha256()
        parameters = {
            "LayerName": layer.name,
            "CompatibleRuntimes": [self.service.provider.runtime],
            "Content": {"ZipFile": layer.package},
            "Description": description(sha256),
        }
        return Change(
            "+", f"layer {layer.name}", (f"sha256 {sha256[:12]}",), "PublishLayerVersion", parameters
        )

    def _publish_layer(self) -> tuple[int, list[Change]]:
        name = self.service.layer.name
        version = published_version(self.service.layer, self.scf.layer_versions(name))
        if version is not None:
            return version, []
        change = self._publication()
        self.report(str(change))
        version = int(self.scf.call(change.action, _encoded(change.parameters))["LayerVersion"])
        self.scf.wait_for_layer(name, version)
        return version, [change]

    def _deploy_function(self, function: Function, version: int) -> list[Change]:
        deployed = self.scf.wait_until_settled(function.name)
        changes = function_changes(self.service, function, version, deployed)
        for change in changes:
            self.report(str(change))
            if change.action == "CreateFunction":
                self.scf.create(function.name, _encoded(change.parameters))
            else:
                self.scf.change(change.action, function.name, _encoded(change.parameters))
        # The limit comes before the URL that needs it.
        others = concurrency_changes(function, self._reserved_memory(function))
        others += trigger_changes(function, self.scf.triggers(function.name))
        for change in others:
            self.report(str(change))
            self.scf.change(change.action, function.name, change.parameters)
        if changes or others:
            self.scf.wait_for_function(function.name)
        return changes + others

    def _reserved_memory(self, function: Function) -> int | None:
        """Return what SCF reserves for a function, unless the service leaves that to SCF."""
        return self.scf.reserved_memory(function.name) if function.reserved_memory else None

    def _delete_old_versions(self, current: int) -> None:
        for version in self.scf.layer_versions(self.service.layer.name)[KEPT_VERSIONS:]:
            if version["LayerVersion"] != current:
                self._delete_version(version)

    def _delete_version(self, version: Json) -> None:
        if not str(version["Description"]).startswith(MANAGED_MARK):
            return
        self.scf.call("DeleteLayerVersion", {key: version[key] for key in ("LayerName", "LayerVersion")})
        self.report(f"- layer {version['LayerName']}:{version['LayerVersion']}")


def _encoded(parameters: Json) -> Json:
    """Return parameters with the zip's bytes in place of the package."""
    for field in ("Code", "Content"):
        if field in parameters:
            package: Package = parameters[field]["ZipFile"]
            parameters = {**parameters, field: {"ZipFile": base64.b64encode(package.content()).decode()}}
    return parameters
