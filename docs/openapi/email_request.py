"""The schemas of an email request, generated from the pydantic model that checks it.

Pydantic generates types and limits; `_RULES` states in JSON Schema what a validator's function checks. A few
rules are beyond JSON Schema: the ones over two fields, over sizes in bytes, over the time of the request,
and over JSON within a string.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import CoreRef, GenerateJsonSchema, models_json_schema

from mailer.email import limits
from mailer.email.native import native_location
from mailer.email.request import EmailRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic_core import core_schema

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_ALIAS = rf"[^\s<>:{_CONTROL}](?:[^<>:{_CONTROL}]*[^\s<>:{_CONTROL}])?"
_FORBIDS = r"\\?*|\"<>:/ "
_FILE_TYPES = "|".join(
    "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in kind)
    for kind in sorted(limits.SUPPORTED_FILE_TYPES)
)


def text(description: str = "", **rules: Any) -> Schema:
    """Return the schema of a string."""
    return {"type": "string", **({"description": description} if description else {}), **rules}


_BASE64 = text("base64", pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$")
_JSON_OBJECT = text("a JSON object as a string", contentMediaType="application/json")
_NULL = {"type": "null"}
_COMPONENTS = {
    "Address": text("`local@domain`", maxLength=limits.MAX_ADDRESS_CHARACTERS, pattern=f"^{_ADDRESS}$"),
    "Sender": text(
        "`address`, or `alias <address>`: exactly one space, no colon in the alias",
        maxLength=limits.MAX_SENDER_CHARACTERS,
        pattern=rf"^(?:{_ADDRESS}|(?:{_ALIAS} )?<{_ADDRESS}>)$",
    ),
}


def _or_null(schema: Schema) -> Schema:
    options = schema if "anyOf" in schema else {"anyOf": [schema]}
    return options if _NULL in options["anyOf"] else {**options, "anyOf": [*options["anyOf"], _NULL]}


def _optional_or_null(model: Schema) -> Schema:
    properties, required = model["properties"], model.get("required", ())
    optional = {name: _or_null(properties[name]) for name in properties if name not in required}
    return {**model, "properties": properties | optional}


def _any_of(*names: str, **rules: Any) -> Schema:
    return {"anyOf": [{"required": [name], "properties": {name: rules}} for name in names]}


def _cross_field_rules(model: Schema) -> Schema:
    model["properties"]["headers"]["anyOf"][0]["propertyNames"] = {"pattern": "^[!-9;-~]{1,76}$"}
    address = {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}
    content = [
        {"required": [one], "properties": {one: {"type": "object"}, other: _NULL}}
        for one, other in (("template", "simple"), ("simple", "template"))
    ]
    return {**model, "allOf": [_any_of("to", "cc", "bcc", **address), {"oneOf": content}]}


# By the name of a validator's function: the schema of what it takes, from the schema of what it returns.
_RULES: dict[str, Callable[[Schema], Schema]] = {
    "check_header_text": lambda text: {**text, "pattern": f"^[^{_CONTROL}]*$"},
    "_filename": lambda text: {**text, "pattern": rf"^[^{_FORBIDS}{_CONTROL}]+\.(?:{_FILE_TYPES})$"},
    "_base64": lambda _: dict(_BASE64),
    "_instant": lambda text: text,
    "_none_if_empty": lambda text: text,
    "_list": lambda items: items,
    "_one_or_list": lambda items: {"anyOf": [items["items"], items]},
    "_check_length": lambda items: items,
    "_unsubscribe": lambda _: {
        "enum": [*limits.UNSUBSCRIBE_LANGUAGES, *limits.UNSUBSCRIBE_LANGUAGES.values(), *range(12)]
    },
    "_trigger_type": lambda _: {"enum": [*limits.TRIGGER_TYPES, *limits.TRIGGER_TYPES.values()]},
    "_without_nulls": _optional_or_null,
    "_require_content": lambda model: {**model, **_any_of("html", "text", type="string", minLength=1)},
    "_check_cross_field_rules": _cross_field_rules,
}
_PARTS = {"template": "Template", "simple": "Simple", "attachments": "Attachment"}
_NAMED = {"check_address": "Address", "check_sender": "Sender"}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, which applies `_RULES` too; raises KeyError for a validator without a rule."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Schema:
        function = schema["function"]["function"]
        made_for = [check for check in getattr(function, "args", ()) if callable(check)]
        check = made_for[0] if made_for else getattr(function, "func", function)
        name = _NAMED.get(check.__name__)
        if not name:
            return _RULES[check.__name__](super().function_before_schema(schema))
        definition, reference = self.get_cache_defs_ref_schema(CoreRef(name))
        self.definitions[definition] = _COMPONENTS[name]
        return reference

    def function_after_schema(self, schema: core_schema.AfterValidatorFunctionSchema) -> Schema:
        return _RULES[schema["function"]["function"].__name__](super().function_after_schema(schema))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        default = schema.get("default")
        return super().default_schema(schema) if default else self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False


def request_schemas() -> dict[str, Schema]:
    """Return the components `EmailRequest` and `SendEmail`, and those that they refer to."""
    _, generated = models_json_schema(
        [(EmailRequest, "validation")], ref_template=REFERENCE, schema_generator=_Generator
    )
    components: dict[str, Schema] = generated["$defs"]
    for component in components.values():
        component.pop("title", None)
        component["description"] = component["description"].partition("\n\n")[0]
    return {**components, "SendEmail": _native(components)}


def _native(components: dict[str, Schema]) -> Schema:
    """Return the schema of SendEmail's own body: the model's with the names of the API page."""
    names = {
        name: native_location((field, name) if field else (name,))[-1]
        for field, component in {"": "EmailRequest", **_PARTS}.items()
        for name in components[component]["properties"]
    }

    def rename(schema: Schema) -> Schema:
        component = schema.get("$ref", "").rpartition("/")[2]
        if component in _PARTS.values():
            return renamed(component)
        if "properties" in schema:
            schema["properties"] = {names[name]: value for name, value in schema["properties"].items()}
            schema["required"] = [names[name] for name in schema.get("required", ())]
        return schema

    def renamed(component: str) -> Schema:
        native: Schema = json.loads(json.dumps(components[component]), object_hook=rename)
        return native

    native = renamed("EmailRequest")
    properties = native["properties"]
    template, simple = (properties[name]["anyOf"][0]["properties"] for name in ("Template", "Simple"))
    template["TemplateData"] = properties["SmtpHeaders"] = _or_null(_JSON_OBJECT)
    simple["Html"] = simple["Text"] = _or_null(_BASE64)
    properties["idempotency_key"] = components["EmailRequest"]["properties"]["idempotency_key"]
    properties["SmtpMessageId"]["description"] = "taken as the idempotency key"
    del properties["on_suppressed"]
    return {**native, "description": "the body of SES's own SendEmail, unchanged"}
