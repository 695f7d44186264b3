"""Error table: action, scope and delay for every SendEmail error code, one line a code.

Sources: the error codes of SES API 2020-10-02 SendEmail, the common error codes of Tencent Cloud API 3.0,
the constants of the official SDK's `errorcodes.py`, and `transport`, for failures without an API response.
The codes of the SendEmail page are in its order.
Codes of the SDK that belong to other SES actions are listed in `OTHER_ACTIONS`.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Action(str, Enum):
    """What to do about a failure."""

    RETRY = "retry"
    """Not sent; try again shortly, in this invocation if time allows."""
    DEFER = "defer"
    """Not sent; the ledger keeps it and the sweep sends it after the delay."""
    REJECT = "reject"
    """Not sent; the request is wrong and stays wrong."""
    SUPPRESS = "suppress"
    """Not sent; the recipient must not be mailed for the delay, or permanently where there is none."""
    HALT = "halt"
    """Not sent; nothing of this scope can be sent: stop calling, alert, probe after the delay."""
    RECONCILE = "reconcile"
    """The mail may have been sent: reconcile, never resend blindly."""


class Scope(str, Enum):
    """What a failure speaks about."""

    REQUEST = "request"
    RECIPIENT = "recipient"
    RECIPIENT_DOMAIN = "recipient_domain"
    SENDER = "sender"
    TEMPLATE = "template"
    ACCOUNT = "account"


class Rule(NamedTuple):
    """One line of the table; `delay` is in seconds, and `retries` are made immediately before `action` is taken.

    `unless` names what of a single request can bring the failure about (`request_faults` has the names): where
    a request has it, it is rejected, because the others of the scope need not meet the failure.
    """

    action: Action
    scope: Scope
    delay: int | None
    certainly_not_sent: bool
    why: str
    hint: str
    retries: int = 0
    unless: tuple[str, ...] = ()


RETRY = Action.RETRY
DEFER = Action.DEFER
REJECT = Action.REJECT
SUPPRESS = Action.SUPPRESS
HALT = Action.HALT
RECONCILE = Action.RECONCILE
REQUEST = Scope.REQUEST
RECIPIENT = Scope.RECIPIENT
RECIPIENT_DOMAIN = Scope.RECIPIENT_DOMAIN
SENDER = Scope.SENDER
TEMPLATE = Scope.TEMPLATE
ACCOUNT = Scope.ACCOUNT
NOT_SENT, MAYBE_SENT = True, False
MINUTE, HOUR, DAY = 60, 3600, 86400
# What a single request can bring about by itself. The halts without it come from what all calls have in common: the
# credentials, the endpoint, the account's balance and quotas, or the template that gives the scope its name.
IDENTITY = ("header_from", "originator header")  # the code does not say which address is at fault
LINK = ("link",)  # the link may be in the data instead of the template
UNSAID = (*IDENTITY, "template")  # the code does not say whether sender, domain or template is at fault

# fmt: off
_SEND_EMAIL: dict[str, Rule] = {
    "FailedOperation.AttachContentToolarge":               Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the attachments are over SES's size limit", "send less than 4 MB in all, or link to the file"),
    "FailedOperation.EmailAddrInBlacklist":                Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "the address bounced lately for some SES customer and is blocked for 14 days", "correct the address, or remove it from the blocklist in the console"),
    "FailedOperation.EmailContentToolarge":                Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the body is over SES's size limit", "shorten the content"),
    "FailedOperation.ExceedSendLimit":                     Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the day's quota is used up; it grows with the domain's reputation", "wait for the next day (UTC+8) or raise the reputation level"),
    "FailedOperation.FileURLNotExist":                     Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "an attachment named a URL that SES cannot read", "send the attachment's content instead"),
    "FailedOperation.FrequencyLimit":                      Rule(DEFER,     RECIPIENT,        HOUR,        NOT_SENT,   "this recipient got 10 mails within an hour", "nothing to do: it goes out when the hour is over"),
    "FailedOperation.HighRejectionRate":                   Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "too many of today's mails were rejected; SES blocks the account for the rest of the day", "clean the recipient list before sending more"),
    "FailedOperation.IllegalURL":                          Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the mail contains a link that SES does not allow", "remove the link or have its domain reviewed"),
    "FailedOperation.IncorrectEmail":                      Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "the address cannot exist, and trying it harms the account's reputation", "correct the address"),
    "FailedOperation.IncorrectSender":                     Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the sender is not of the form `alias <address>`", "correct `from`"),
    "FailedOperation.InsufficientBalance":                 Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the account is in arrears", "top up the account; sending resumes by itself"),
    "FailedOperation.InsufficientQuota":                   Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the email package is used up", "buy another package; sending resumes by itself"),
    "FailedOperation.InvalidAttachName":                   Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "an attachment's name or type is not supported", "rename the file; see the list of supported types"),
    "FailedOperation.InvalidTemplateID":                   Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the template does not exist in this region or is not approved", "check the id and its review state in the console"),
    "FailedOperation.MissingEmailContent":                 Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "there is neither a template nor simple content", "give `template` or `simple`"),
    "FailedOperation.NoAttachPermission":                  Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the account may not send attachments", "have attachments enabled by a ticket"),
    "FailedOperation.NotAuthenticatedSender":              Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender address or its domain is not verified in this region", "verify the domain and create the sender address in the console", unless=IDENTITY),
    "FailedOperation.ProtocolCheckErr":                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "SES found the request's protocol wrong", "compare the request with the API page"),
    "FailedOperation.ReceiverHasUnsubscribed":             Rule(SUPPRESS,  RECIPIENT,        None,        NOT_SENT,   "the recipient has unsubscribed", "do not mail this person again from this domain"),
    "FailedOperation.RejectedByRecipients":                Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "the recipient's server refuses mail from this sender", "ask the recipient to allow the sender"),
    "FailedOperation.SendEmailErr":                        Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "SES reports a sending error without saying whether the mail left", "open a ticket with the RequestId"),
    "FailedOperation.TemporaryBlocked":                    Rule(DEFER,     RECIPIENT_DOMAIN, 10 * MINUTE, NOT_SENT,   "SES pauses this mailbox provider for 10 minutes", "nothing to do: it goes out when the pause is over"),
    "FailedOperation.TooManyAttachments":                  Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "more than 10 attachments", "send fewer attachments"),
    "FailedOperation.TooManyRecipients":                   Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "more than 50 recipients", "send one email per recipient"),
    "FailedOperation.URLForbidden":                        Rule(HALT,      TEMPLATE,         HOUR,        NOT_SENT,   "the account's delivery rate is too low to send links", "use templates without links until the rate has recovered", unless=LINK),
    "FailedOperation.UnsupportMailType":                   Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "SES does not deliver to this mailbox provider", "use another address of this person"),
    "FailedOperation.WithOutPermission":                   Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the account may send by template only", "send with `template`, or have `simple` enabled by a ticket"),
    "FailedOperation.WrongContentJson":                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "TemplateData is not a JSON object that SES accepts", "give `template.data` plain strings and numbers"),
    "InternalError":                                       Rule(RECONCILE, REQUEST,          30,          MAYBE_SENT, "SES failed inside and does not say whether the mail was queued", "no action: the sweep reconciles"),
    "InvalidParameter":                                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "a parameter is wrong", "compare the request with the API page"),
    "InvalidParameterValue":                               Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "a parameter's value is wrong", "compare the request with the API page"),
    "InvalidParameterValue.AttachContentIsWrong":          Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "an attachment's content is not base64", "encode the content as base64"),
    "InvalidParameterValue.EmailAddressIsNULL":            Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the sender or a recipient is empty", "give every address"),
    "InvalidParameterValue.EmailContentIsWrong":           Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the html or text part is not base64", "encode the content as base64"),
    "InvalidParameterValue.InvalidEmailIdentity":          Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender's domain is not valid for this account", "add and verify the domain in the console", unless=IDENTITY),
    "InvalidParameterValue.ReceiverEmailInvalid":          Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "the recipient's address is incorrect", "correct the address"),
    "LimitExceeded":                                       Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "a quota of the account is exceeded", "raise the quota"),
    "MissingParameter":                                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "a required parameter is missing", "compare the request with the API page"),
    "OperationDenied":                                     Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "SES denies the operation for the state the sender is in", "check sender, domain and template in the console", unless=UNSAID),
    "RequestLimitExceeded":                                Rule(RETRY,     ACCOUNT,          1,           NOT_SENT,   "more than 20 requests in a second; the gateway turned this one away", "nothing to do; lower MAILER_RATE where others share the account"),
    "ResourceInsufficient":                                Rule(DEFER,     ACCOUNT,          MINUTE,      NOT_SENT,   "SES has no capacity at the moment", "nothing to do: it goes out later"),
    "ResourceUnavailable":                                 Rule(DEFER,     ACCOUNT,          MINUTE,      NOT_SENT,   "a resource of SES is unavailable at the moment", "nothing to do: it goes out later"),
    "UnknownParameter":                                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the request holds a parameter that the API does not know", "compare the request with the API page"),
    "UnsupportedOperation":                                Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the operation is not supported", "compare the request with the API page"),
}

_SDK_CONSTANTS: dict[str, Rule] = {
    "FailedOperation":                                     Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the operation failed without saying how far it got", "no action: the sweep reconciles"),
    "FailedOperation.DKIMNotApplied":                      Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender's domain has no DKIM record", "add the DKIM record that the console shows", unless=IDENTITY),
    "FailedOperation.ServiceNotAvailable":                 Rule(RETRY,     REQUEST,          2,           NOT_SENT,   "a passing fault; SES says that the request did not take effect", "nothing to do"),
    "InternalError.QueryDataBaseFailed":                   Rule(RECONCILE, REQUEST,          30,          MAYBE_SENT, "SES's database failed at an unknown step", "no action: the sweep reconciles"),
    "InvalidParameterValue.IllegalEmailAddress":           Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "an address is illegal; the code does not say whose", "check `from` and the recipients"),
    "InvalidParameterValue.IllegalSenderName":             Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the sender's alias is illegal", "correct the alias in `from`"),
    "InvalidParameterValue.InValidTemplateData":           Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the template's data is not valid", "give plain strings and numbers, no markup"),
    "InvalidParameterValue.NoSuchSender":                  Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender address does not exist in this account", "create the sender address in the console", unless=IDENTITY),
    "InvalidParameterValue.NotExistDomain":                Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender's domain does not exist in this account", "add and verify the domain in the console", unless=IDENTITY),
    "InvalidParameterValue.SubjectLengthError":            Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the subject is too long for SES", "shorten the subject"),
    "InvalidParameterValue.TemplateDataError":             Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the template's data is wrong", "compare the data with the template's variables"),
    "InvalidParameterValue.TemplateDataInconsistent":      Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the data's names are not the template's variables", "compare the data with the template's variables"),
    "InvalidParameterValue.TemplateDataLenLimit":          Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the template's data is too long", "shorten the data"),
    "InvalidParameterValue.TemplateNotExist":              Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the template does not exist", "check the id in the console"),
    "InvalidParameterValue.TemplateNotMatchData":          Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the data does not match the template", "compare the data with the template's variables"),
    "MissingParameter.EmailsNecessary":                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "no recipient was given", "give `to`, `cc` or `bcc`"),
    "OperationDenied.DomainNotVerified":                   Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender's domain is not verified", "verify the domain in the console", unless=IDENTITY),
    "OperationDenied.SendAddressStatusError":              Rule(HALT,      SENDER,           15 * MINUTE, NOT_SENT,   "the sender address is not enabled", "check the sender address in the console", unless=IDENTITY),
    "OperationDenied.TemplateStatusError":                 Rule(HALT,      TEMPLATE,         15 * MINUTE, NOT_SENT,   "the template is not approved", "wait for the review, or correct the template"),
    "ResourceNotFound":                                    Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "something that the request names does not exist", "check sender and template in the console"),
}

_COMMON: dict[str, Rule] = {
    "ActionOffline":                                       Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the API was taken offline", "update Mailer"),
    "AuthFailure":                                         Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the credentials are not accepted", "check the secret id, the key and the CAM policy"),
    "AuthFailure.InvalidAuthorization":                    Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the Authorization header is malformed", "check for a proxy that rewrites headers", 1),
    "AuthFailure.InvalidSecretId":                         Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the secret id is no API key", "check MAILER_SECRET_ID"),
    "AuthFailure.MFAFailure":                              Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the account demands multi-factor authentication", "use a key of a CAM user without it"),
    "AuthFailure.SecretIdNotFound":                        Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the key was deleted or disabled", "check MAILER_SECRET_ID, also for white space"),
    "AuthFailure.SignatureExpire":                         Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the signature is over 5 minutes old", "check the clock", 1),
    "AuthFailure.SignatureFailure":                        Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the signature is wrong", "check MAILER_SECRET_KEY", 1),
    "AuthFailure.TokenFailure":                            Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the temporary token is wrong or expired", "check the execution role or MAILER_SECRET_TOKEN", 1),
    "AuthFailure.UnauthorizedOperation":                   Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the key may not call SendEmail", "grant ses:SendEmail in CAM"),
    "DryRunOperation":                                     Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the request was a dry run", "leave DryRun out"),
    "InvalidAction":                                       Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the endpoint does not know SendEmail", "check MAILER_SES_ENDPOINT"),
    "InvalidRequest":                                      Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the request's format is wrong", "compare the request with the API page"),
    "IpInBlacklist":                                       Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the caller's IP address is blocked", "check the account's IP rules"),
    "IpNotInWhitelist":                                    Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the caller's IP address is not allowed", "give the functions a fixed egress address and allow it"),
    "NoSuchProduct":                                       Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the endpoint does not know SES", "check MAILER_SES_ENDPOINT"),
    "NoSuchVersion":                                       Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the API version does not exist", "check MAILER_SES_ENDPOINT"),
    "RequestLimitExceeded.GlobalRegionUinLimitExceeded":   Rule(RETRY,     ACCOUNT,          1,           NOT_SENT,   "the main account calls too often over all regions", "lower MAILER_RATE"),
    "RequestLimitExceeded.IPLimitExceeded":                Rule(RETRY,     ACCOUNT,          5,           NOT_SENT,   "the IP address calls too often", "lower MAILER_RATE"),
    "RequestLimitExceeded.UinLimitExceeded":               Rule(RETRY,     ACCOUNT,          1,           NOT_SENT,   "the main account calls too often", "lower MAILER_RATE"),
    "RequestSizeLimitExceeded":                            Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "the request is over the gateway's size limit", "send less than 8 MB in all"),
    "ResourceInUse":                                       Rule(DEFER,     REQUEST,          MINUTE,      NOT_SENT,   "a resource is in use at the moment", "nothing to do: it goes out later"),
    "ResponseSizeLimitExceeded":                           Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the answer was too large, after the call was carried out", "no action: the sweep reconciles"),
    "ServiceUnavailable":                                  Rule(RECONCILE, REQUEST,          5,           MAYBE_SENT, "the service is unavailable; no page says at which step this is answered", "no action: the sweep reconciles"),
    "UnauthorizedOperation":                               Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the key may not call SendEmail", "grant ses:SendEmail in CAM"),
    "UnsupportedProtocol":                                 Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "the request's protocol is not HTTPS POST", "check MAILER_SES_ENDPOINT"),
    "UnsupportedRegion":                                   Rule(HALT,      ACCOUNT,          HOUR,        NOT_SENT,   "SES does not run in this region", "set MAILER_SES_REGION to ap-singapore"),
}

_BEFORE_SENDING: dict[str, Rule] = {
    "ClientError":                                         Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "invalid SDK configuration", "check MAILER_SES_ENDPOINT and the credentials"),
    "ClientParamsError":                                   Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the SDK refuses its parameters", "check MAILER_SES_ENDPOINT and the credentials"),
    "ClientSideError":                                     Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "the SDK failed before it sent", "check MAILER_SES_ENDPOINT and the credentials"),
    "InvalidCredential":                                   Rule(HALT,      ACCOUNT,          15 * MINUTE, NOT_SENT,   "there are no credentials, or they hold white space", "set MAILER_SECRET_ID and MAILER_SECRET_KEY, or give the function an execution role"),
}

_TRANSPORT: dict[str, Rule] = {
    "Transport.ConnectionRefused":                         Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "nothing listens at the endpoint", "check MAILER_SES_ENDPOINT and the egress rules"),
    "Transport.NameResolution":                            Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "the endpoint's name did not resolve", "check MAILER_SES_ENDPOINT and DNS"),
    "Transport.ConnectTimeout":                            Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "no connection in time", "check the egress rules of the VPC"),
    "Transport.TlsFailure":                                Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "TLS was not established", "check for a proxy that opens TLS, and the clock"),
    "Transport.ProxyFailure":                              Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "the proxy did not connect", "check HTTPS_PROXY"),
    "Transport.NotStarted":                                Rule(RETRY,     REQUEST,          1,           NOT_SENT,   "too little time was left to begin", "nothing to do; raise the function's timeout if it is frequent"),
    "Transport.ReadTimeout":                               Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "no answer in time", "no action: the sweep reconciles"),
    "Transport.ConnectionLost":                            Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the connection broke after the request was under way", "no action: the sweep reconciles"),
    "Transport.BodyCut":                                   Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the answer broke off", "no action: the sweep reconciles"),
    "Transport.NotJson":                                   Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the answer is not the API's JSON", "look for a proxy in between; the sweep reconciles the mail"),
    "Transport.HttpStatus":                                Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the status is not 200: the response came from a gateway, not SES", "no action: the sweep reconciles"),
    "Transport.NoMessageId":                               Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the answer names no MessageId; the SDK takes an error of another content type for success", "no action: the sweep reconciles"),
    "Transport.Unclassified":                              Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the SDK failed in a way that is not known", "report the log line; the sweep reconciles the mail"),
}

_LEDGER: dict[str, Rule] = {
    "Ledger.LeaseExpired":                                 Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "the worker crashed, or lost the store, between the call and its record", "no action: the sweep reconciles"),
    "Ledger.RecipientRateLimited":                         Rule(DEFER,     RECIPIENT,        HOUR,        NOT_SENT,   "the recipient got 10 mails within an hour; an 11th would be refused", "nothing to do: it goes out when the hour is over"),
    "Ledger.RateLimited":                                  Rule(RETRY,     ACCOUNT,          1,           NOT_SENT,   "the account's 20 requests a second are taken", "nothing to do"),
    "Ledger.BacklogFull":                                  Rule(RETRY,     ACCOUNT,          MINUTE,      NOT_SENT,   "the ledger holds as many deferred emails as MAILER_DEFERRED_MAX allows", "end the halt, or raise MAILER_DEFERRED_MAX"),
    "Ledger.DeadLettersFull":                              Rule(RETRY,     ACCOUNT,          MINUTE,      NOT_SENT,   "the ledger holds as many bytes of dead letters as MAILER_DEAD_LETTERS_MAX allows", "end what fills the list, remove dead letters, or raise MAILER_DEAD_LETTERS_MAX"),
    "Ledger.AttemptsExhausted":                            Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "every attempt was deferred; the email is failed and dead-lettered", "read the history in the dead letter, then send it again"),
    "Ledger.Unresolved":                                   Rule(RECONCILE, REQUEST,          MINUTE,      MAYBE_SENT, "nothing could tell within the retention (30 days or more) whether SES has the email; it is left to an operator, with a dead letter", "look for it in the console, then resolve it as accepted or failed"),
    "Ledger.Unreadable":                                   Rule(REJECT,    REQUEST,          None,        NOT_SENT,   "a version with other rules stored the email, and none that reads it came within the retention (30 days or more); it is failed and dead-lettered", "send it again in today's form; the dead letter holds it"),
    "Ledger.HardBounce":                                   Rule(SUPPRESS,  RECIPIENT,        14 * DAY,    NOT_SENT,   "SES reported that mail to this address bounced permanently", "correct the address"),
    "Ledger.SpamReport":                                   Rule(SUPPRESS,  RECIPIENT,        None,        NOT_SENT,   "SES reported that the recipient called the mail spam", "do not mail this person again"),
    "Ledger.Unsubscribed":                                 Rule(SUPPRESS,  RECIPIENT,        None,        NOT_SENT,   "SES reported that the recipient has unsubscribed", "do not mail this person again from this domain"),
}
# fmt: on

GROUPS = {
    "The error codes of the SendEmail page": _SEND_EMAIL,
    "Further constants of the SDK that SendEmail can meet": _SDK_CONSTANTS,
    "The common error codes of Tencent Cloud API 3.0": _COMMON,
    "What the SDK raises before it sends": _BEFORE_SENDING,
    "How the transport fails": _TRANSPORT,
    "What the ledger knows without asking SES": _LEDGER,
}
TABLE = {code: rule for group in GROUPS.values() for code, rule in group.items()}

UNLISTED = Rule(
    RECONCILE, REQUEST, MINUTE, MAYBE_SENT,
    "SES answered with a code that is not in the table", "report the code; the sweep reconciles the mail",
)  # fmt: skip

OTHER_ACTIONS = frozenset(
    {
        "FailedOperation.ExceedTemplateLimit",  # CreateEmailTemplate
        "FailedOperation.InvalidLimit",  # lists: Offset, Limit
        "FailedOperation.NotSupportDate",  # GetSendEmailStatus
        "FailedOperation.TemplateContentToolarge",  # CreateEmailTemplate
        "InvalidParameter.AppIdIsRequired",  # address lists
        "InvalidParameter.InvalidEndTimeFormat",  # reports
        "InvalidParameter.InvalidStartTimeFormat",  # reports
        "InvalidParameterValue.BeginTimeBeforeNow",  # BatchSendEmail
        "InvalidParameterValue.CreatedByOther",  # identities
        "InvalidParameterValue.InvalidSmtpPassWord",  # UpdateEmailSmtpPassWord
        "InvalidParameterValue.ReceiverDescIllegal",  # CreateReceiver
        "InvalidParameterValue.ReceiverNameIllegal",  # CreateReceiver
        "InvalidParameterValue.RepeatCreation",  # identities
        "InvalidParameterValue.RepeatEmailAddress",  # CreateReceiverDetail
        "InvalidParameterValue.RepeatReceiverName",  # CreateReceiver
        "InvalidParameterValue.TemplateContentIsNULL",  # CreateEmailTemplate
        "InvalidParameterValue.TemplateContentIsWrong",  # CreateEmailTemplate
        "InvalidParameterValue.TemplateNameIllegal",  # CreateEmailTemplate
        "InvalidParameterValue.TemplateNameIsNULL",  # CreateEmailTemplate
        "InvalidParameterValue.WrongDate",  # reports
        "LimitExceeded.ExceedReceiverLimit",  # CreateReceiver
        "LimitExceeded.ReceiverDetailCountLimit",  # CreateReceiverDetail
        "LimitExceeded.ReceiverDetailRequestLimit",  # CreateReceiverDetail
        "MissingParameter.CycleParamNecessary",  # BatchSendEmail
        "MissingParameter.ReceiverIdNecessary",  # BatchSendEmail
        "MissingParameter.SendParamNecessary",  # BatchSendEmail
        "MissingParameter.TimedParamNecessary",  # BatchSendEmail
        "OperationDenied.ExceedDomainLimit",  # CreateEmailIdentity
        "OperationDenied.ExceedSenderLimit",  # CreateEmailAddress
        "OperationDenied.NotAllowDelete",  # DeleteEmailIdentity
        "OperationDenied.ReceiverIsOperating",  # BatchSendEmail
        "OperationDenied.ReceiverNotExist",  # BatchSendEmail
        "OperationDenied.ReceiverStatusError",  # BatchSendEmail
        "OperationDenied.RepeatPassWord",  # UpdateEmailSmtpPassWord
        "OperationDenied.SenderWithDomainIsNotEmpty",  # DeleteEmailIdentity
    }
)


def rule_for(code: str) -> Rule:
    """Return the rule for `code`: its own, else its longest known prefix's (by dots), else `UNLISTED`."""
    prefix = code
    while prefix:
        if rule := TABLE.get(prefix):
            return rule
        prefix = prefix.rpartition(".")[0]
    return UNLISTED


def is_listed(code: str) -> bool:
    """Return whether `code` has a line of its own, so that an alert can name those that have none."""
    return code in TABLE
