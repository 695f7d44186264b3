"""The actions on templates: create, get, list, update, delete."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import encoded
from .addresses import has_control
from .errors import ApiError
from .paging import page_of
from .templates import APPROVED, IN_REVIEW, Template

if TYPE_CHECKING:
    from .settings import Settings
    from .templates import Templates

CONTENT_MAX = 1024 * 1024


class TemplateActions:
    """The actions on the templates of one account."""

    def __init__(self, settings: Settings, templates: Templates) -> None:
        self._settings = settings
        self._templates = templates

    def create(self, params: dict[str, Any]) -> dict[str, Any]:
        """Store a template; it is in review, or approved at once where the settings say so."""
        template = Template(0, _name(params), created=int(self._settings.now()))
        return {"TemplateID": self._templates.create(self._submit(template, params)).id}

    def update(self, params: dict[str, Any]) -> dict[str, Any]:
        """Replace a template's name and content; it is reviewed again."""
        template = self._existing(params)
        if not params["TemplateName"]:
            raise ApiError("InvalidParameterValue.TemplateNameIsNULL")
        self._templates.add(self._submit(replace(template, name=_name(params)), params))
        return {}

    def delete(self, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a template; raises InvalidParameterValue where there is none."""
        if not self._templates.remove(params["TemplateID"]):
            raise ApiError("InvalidParameterValue", "There is no template with this TemplateID.")
        return {}

    def get(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a template's content in base64, its status and name; raises TemplateNotExist."""
        template = self._existing(params)
        return {
            "TemplateContent": {"Html": encoded.encode(template.html), "Text": encoded.encode(template.text)},
            "TemplateStatus": template.status,
            "TemplateName": template.name,
        }

    def list(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return a page of the account's templates, without their content."""
        listed = [
            {
                "CreatedTimestamp": template.created,
                "TemplateName": template.name,
                "TemplateStatus": template.status,
                "TemplateID": template.id,
                "ReviewReason": template.review_reason,
            }
            for template in self._templates.all()
        ]
        return {"TemplatesMetadata": page_of(listed, params), "TotalCount": len(listed)}

    def _existing(self, params: dict[str, Any]) -> Template:
        template = self._templates.get(params["TemplateID"])
        if template is None:
            raise ApiError("InvalidParameterValue.TemplateNotExist")
        return template

    def _submit(self, template: Template, params: dict[str, Any]) -> Template:
        """Return the template with the content of the request, as it goes into review."""
        content = params["TemplateContent"]
        html, text = (
            encoded.decode(content.get(field, ""), "InvalidParameterValue.TemplateContentIsWrong")
            for field in ("Html", "Text")
        )
        if not html and not text:
            raise ApiError("InvalidParameterValue.TemplateContentIsNULL")
        if len(html.encode()) + len(text.encode()) > CONTENT_MAX:
            raise ApiError("FailedOperation.TemplateContentToolarge")
        status = APPROVED if self._settings.auto_approve else IN_REVIEW
        return replace(template, html=html, text=text, status=status, review_reason="")


def _name(params: dict[str, Any]) -> str:
    name: str = params["TemplateName"]
    if not name or has_control(name):
        raise ApiError("InvalidParameterValue.TemplateNameIllegal")
    return name
