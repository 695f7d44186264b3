"""SendEmail: the rules for a request, in order, and the email that it describes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import attachments, encoded
from .addresses import has_control, is_address, is_header_name, is_message_id, parse_sender
from .errors import ApiError
from .identities import Identities
from .parameters import is_unicode, json_object
from .resources import Resources
from .settings import Settings
from .templates import APPROVED, Templates, missing_variables, render

REQUEST_MAX = 8 * 1024 * 1024
CONTENT_MAX = 1024 * 1024
SUBJECT_MAX = 998
DESTINATION_MAX, COPY_MAX = 50, 20
UNSUBSCRIBE_CHOICES = frozenset(str(number) for number in range(12))
TRIGGER_TYPES = frozenset({0, 1})

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """The rendered or decoded content, with its template."""

    subject: str
    html: str
    text: str
    template: dict[str, Any] | None
    missing_variables: list[str]


@dataclass(frozen=True)
class Draft:
    """An email whose request satisfies every rule."""

    sender_domain: str
    recipients: list[str]
    content: Content
    attachments: list[attachments.Attachment]
    headers: dict[str, str]


def check(parameters: Parameters, body_size: int, settings: Settings, resources: Resources) -> Draft:
    """Return the email in `parameters` of the right types; raises `ApiError` for the first broken rule."""
    if body_size > REQUEST_MAX:
        raise ApiError("RequestSizeLimitExceeded")
    for rule in _RULES:
        rule(parameters)
    domain = _check_sender(parameters, resources.identities)
    content = content_of(parameters, settings, resources.templates)
    attached = attachments.decode(parameters.get("Attachments", ()))
    if attached and not settings.allow_attachments:
        raise ApiError("FailedOperation.NoAttachPermission")
    return Draft(domain, recipients_of(parameters), content, attached, _headers(parameters))


def recipients_of(parameters: Parameters) -> list[str]:
    """Return the recipients in Destination, Cc and Bcc, in that order."""
    return [address for field in ("Destination", "Cc", "Bcc") for address in parameters.get(field, ())]


def _check_recipients_given(parameters: Parameters) -> None:
    recipients = recipients_of(parameters)
    if not recipients or not all(recipients) or not parameters["FromEmailAddress"]:
        raise ApiError("InvalidParameterValue.EmailAddressIsNULL")


def _check_recipient_count(parameters: Parameters) -> None:
    for field, limit in (("Destination", DESTINATION_MAX), ("Cc", COPY_MAX), ("Bcc", COPY_MAX)):
        if len(parameters.get(field, ())) > limit:
            raise ApiError("FailedOperation.TooManyRecipients", f"{field} accepts at most {limit}.")


def _check_recipient_form(parameters: Parameters) -> None:
    if not all(is_address(address) for address in recipients_of(parameters)):
        raise ApiError("InvalidParameterValue.ReceiverEmailInvalid")


def _check_bcc(parameters: Parameters) -> None:
    visible = {address.lower() for address in parameters.get("Destination", ())}
    if any(address.lower() in visible for address in parameters.get("Bcc", ())):
        raise ApiError("InvalidParameterValue", "A Bcc address is also in Destination.")


def _check_reply_to(parameters: Parameters) -> None:
    reply_to = parameters.get("ReplyToAddresses", "")
    if reply_to and not is_address(reply_to):
        raise ApiError("InvalidParameterValue", "ReplyToAddresses must be one address.")


def _check_subject(parameters: Parameters) -> None:
    subject = parameters["Subject"]
    if not subject or len(subject) > SUBJECT_MAX or has_control(subject):
        raise ApiError(
            "InvalidParameterValue", f"Subject must have 1 to {SUBJECT_MAX} characters on one line."
        )


def _check_choices(parameters: Parameters) -> None:
    if parameters.get("Unsubscribe", "0") not in UNSUBSCRIBE_CHOICES:
        raise ApiError("InvalidParameterValue", "Unsubscribe must be one of the strings 0 to 11.")
    if parameters.get("TriggerType", 0) not in TRIGGER_TYPES:
        raise ApiError("InvalidParameterValue", "TriggerType must be 0 or 1.")


def _check_message_id(parameters: Parameters) -> None:
    smtp_message_id = parameters.get("SmtpMessageId")
    if smtp_message_id is not None and not is_message_id(smtp_message_id):
        raise ApiError("InvalidParameterValue", "SmtpMessageId is not a msg-id of RFC 5322.")


_RULES: tuple[Callable[[Parameters], None], ...] = (
    _check_recipients_given,
    _check_recipient_count,
    _check_recipient_form,
    _check_bcc,
    _check_reply_to,
    _check_subject,
    _check_choices,
    _check_message_id,
)


def _check_sender(parameters: Parameters, identities: Identities) -> str:
    sender = parse_sender(parameters["FromEmailAddress"])
    if sender is None:
        raise ApiError("FailedOperation.IncorrectSender")
    if not identities.verifies(sender.domain):
        raise ApiError("FailedOperation.NotAuthenticatedSender")
    if "HeaderFrom" in parameters:
        header_from = parse_sender(parameters["HeaderFrom"])
        if header_from is None:
            raise ApiError("FailedOperation.IncorrectSender", "HeaderFrom.")
        if header_from.domain != sender.domain:
            raise ApiError("InvalidParameterValue.InvalidEmailIdentity", "HeaderFrom has another domain.")
    return sender.domain


def content_of(parameters: Parameters, settings: Settings, templates: Templates) -> Content:
    """Return the content of Template, or else of Simple; raises `ApiError` for what SES refuses."""
    if "Template" in parameters:
        content = _from_template(parameters["Subject"], parameters["Template"], templates)
    elif "Simple" in parameters:
        if not settings.allow_simple:
            raise ApiError("FailedOperation.WithOutPermission")
        content = _from_simple(parameters["Subject"], parameters["Simple"])
    else:
        raise ApiError("FailedOperation.MissingEmailContent")
    if len(content.html.encode()) + len(content.text.encode()) > CONTENT_MAX:
        raise ApiError("FailedOperation.EmailContentToolarge")
    return content


def _from_template(subject: str, parameter: Parameters, templates: Templates) -> Content:
    if not parameter["TemplateData"]:
        raise ApiError("FailedOperation.MissingEmailContent")
    data = json_object(parameter["TemplateData"])
    if data is None or not all(map(is_plain, data.values())):
        raise ApiError("FailedOperation.WrongContentJson")
    template = templates.get(parameter["TemplateID"])
    if template is None or template.status != APPROVED:
        raise ApiError("FailedOperation.InvalidTemplateID")
    sources = (subject, template.html, template.text)
    subject, html, text = (render(source, data) for source in sources)
    used = {"id": template.id, "name": template.name, "data": data}
    return Content(subject, html, text, used, missing_variables(sources, data))


def is_plain(value: Any) -> bool:
    """Return whether `value` may be the value of a template variable: no list, no object, valid Unicode."""
    return is_unicode(value) if isinstance(value, str) else not isinstance(value, dict | list)


def _from_simple(subject: str, parameter: Parameters) -> Content:
    html, text = (
        encoded.decode(parameter.get(field, ""), "InvalidParameterValue.EmailContentIsWrong")
        for field in ("Html", "Text")
    )
    if not html and not text:
        raise ApiError("FailedOperation.MissingEmailContent")
    return Content(subject, html, text, None, [])


def _headers(parameters: Parameters) -> dict[str, str]:
    headers = json_object(parameters.get("SmtpHeaders", "{}"))
    if headers is None or not all(
        is_header_name(name) and isinstance(value, str) and is_unicode(value) and not has_control(value)
        for name, value in headers.items()
    ):
        raise ApiError("InvalidParameterValue", "SmtpHeaders is not a JSON object of header fields.")
    return headers
