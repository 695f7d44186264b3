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
    from collections.abc import Callable, Iterable

    from pydantic_core import core_schema

Schema = dict[str, Any]

REFERENCE = "#/components/schemas/{model}"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_LABEL}"
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
_ALIAS = rf"[^\s<>:{_CONTROL}](?:[^<>:{_CONTROL}]*[^\s<>:{_CONTROL}])?"
_FORBIDS = r'\\?*|"<>:/ '
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
_NOTHING = {"type": ["string", "null"], "maxLength": 0}
_NOBODY = {"type": ["array", "null"], "items": {}, "maxItems": 0}
_COMPONENTS = {
    "Address": text("`local@domain`", maxLength=limits.MAX_ADDRESS_CHARACTERS, pattern=f"^{_ADDRESS}$"),
    "Sender": text(
        "`address`, or `alias <address>`: exactly one space, no colon in the alias",
        maxLength=limits.MAX_SENDER_CHARACTERS,
        pattern=rf"^(?:{_ADDRESS}|(?:{_ALIAS} )?<{_ADDRESS}>)$",
    ),
}


def _or_null(schema: Schema) -> Schema:
    """Return the schema that takes null too; its description is that of the whole."""
    if "anyOf" in schema:
        return schema if _NULL in schema["anyOf"] else {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    about = {"description": schema["description"]} if "description" in schema else {}
    return {"anyOf": [{name: schema[name] for name in schema if name not in about}, _NULL], **about}


def _optional_or_null(model: Schema) -> Schema:
    properties, required = model["properties"], model.get("required", ())
    optional = {name: _or_null(properties[name]) for name in properties if name not in required}
    return {**model, "properties": properties | optional}


def _cross_field_rules(model: Schema) -> Schema:
    """Return the model with the rules over several fields, in keywords that say nothing about its types.

    A generator of clients makes a type of each member of `anyOf` and `oneOf`; it leaves out `not` and `if`.
    """
    properties = model["properties"]
    properties["headers"]["anyOf"][0]["propertyNames"] = {"pattern": "^[!-9;-~]{1,76}$"}
    properties["from"] = _or_null(properties["from"])
    return {
        **model,
        "required": [name for name in model["required"] if name != "from"],
        "not": {"properties": dict.fromkeys(("to", "cc", "bcc"), _NOBODY)},
        "if": {"required": ["template"], "properties": {"template": {"type": "object"}}},
        "then": {"properties": {"simple": _NULL}},
        "else": {"required": ["simple"], "properties": {"simple": {"type": "object"}}},
    }


def _text_or_number(names: Iterable[str], last: int) -> Schema:
    return {
        "anyOf": [
            {"type": "string", "enum": list(names)},
            {"type": "integer", "minimum": 0, "maximum": last},
        ]
    }


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
    "_unsubscribe": lambda _: _text_or_number(
        [*limits.UNSUBSCRIBE_LANGUAGES, *limits.UNSUBSCRIBE_LANGUAGES.values()],
        len(limits.UNSUBSCRIBE_LANGUAGES) - 1,
    ),
    "_trigger_type": lambda _: _text_or_number(limits.TRIGGER_TYPES, len(limits.TRIGGER_TYPES) - 1),
    "_without_nulls": _optional_or_null,
    "_require_content": lambda model: {
        **model,
        "not": {"properties": {"html": _NOTHING, "text": _NOTHING}},
    },
    "_check_cross_field_rules": _cross_field_rules,
}
_RULES_OVER_FIELDS = " It has one recipient or more over `{}`, `{}` and `{}`, and either `{}` or `{}`."
_PARTS = {"template": "Template", "simple": "Simple", "attachments": "Attachment"}
_NAMED_FIELDS = {
    ("EmailRequest", "unsubscribe"): "Unsubscribe",
    ("EmailRequest", "trigger_type"): "TriggerType",
    ("EmailRequest", "on_unknown"): "OnUnknown",
    ("EmailRequest", "on_suppressed"): "OnSuppressed",
    ("EmailRequest", "headers"): "SmtpHeaders",
    ("Template", "data"): "TemplateData",
}
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
    _name_types(components)
    components["EmailRequest"]["description"] += _RULES_OVER_FIELDS.format(
        *("to", "cc", "bcc", "template", "simple")
    )
    return components | _native(components)


def _name_types(components: dict[str, Schema]) -> None:
    """Make components of fields whose types a generator would otherwise name itself."""
    for (component, field), name in _NAMED_FIELDS.items():
        properties = components[component]["properties"]
        about = {"description": properties[field].get("description", "what the email is")}
        options = [one for one in properties[field]["anyOf"] if one != _NULL]
        components[name] = {**(options[0] if len(options) == 1 else {"anyOf": options}), **about}
        properties[field] = _or_null({"$ref": REFERENCE.format(model=name)})


def _native(components: dict[str, Schema]) -> dict[str, Schema]:
    """Return the schema of SendEmail's own body and those of its parts, with the names of the API page."""
    names = {
        name: native_location((field, name) if field else (name,))[-1]
        for field, component in {"": "EmailRequest", **_PARTS}.items()
        for name in components[component]["properties"]
    }

    def rename(schema: Schema) -> Schema:
        component = schema.get("$ref", "").rpartition("/")[2]
        if component in _PARTS.values():
            return {**schema, "$ref": REFERENCE.format(model=f"SendEmail{component}")}
        if "properties" in schema:
            schema["properties"] = {names[name]: value for name, value in schema["properties"].items()}
        if "required" in schema:
            schema["required"] = [names[name] for name in schema["required"]]
        return schema

    native: dict[str, Schema] = {
        f"SendEmail{component}".removesuffix("EmailRequest"): json.loads(
            json.dumps(components[component]), object_hook=rename
        )
        for component in ("EmailRequest", *_PARTS.values())
    }
    email, simple = native["SendEmail"], native["SendEmailSimple"]["properties"]
    properties, template = email["properties"], native["SendEmailTemplate"]["properties"]
    template["TemplateData"] = properties["SmtpHeaders"] = _or_null(_JSON_OBJECT)
    simple["Html"] = simple["Text"] = _or_null(_BASE64)
    properties["idempotency_key"] = components["EmailRequest"]["properties"]["idempotency_key"]
    properties["SmtpMessageId"]["description"] = "taken as the idempotency key"
    del properties["on_suppressed"]
    email["description"] = "The body of SES's own SendEmail, unchanged." + _RULES_OVER_FIELDS.format(
        *("Destination", "Cc", "Bcc", "Template", "Simple")
    )
    return native
