"""The limits of SendEmail, one a line, as the API page states them.

Source: SES API 2020-10-02, SendEmail (https://www.tencentcloud.com/document/product/1084/39408), its
attachment appendix, and RFC 5321/5322 for the sizes of addresses and header lines.
"""

MEBIBYTE = 1024 * 1024

MAX_TO = 50
MAX_CC = 20
MAX_BCC = 20
MAX_ATTACHMENTS = 10
MAX_ATTACHMENTS_BYTES = 4 * MEBIBYTE  # all attachments together, before base64
MAX_REQUEST_BYTES = 8 * MEBIBYTE  # the JSON body of SendEmail
MAX_FILENAME_CHARACTERS = 255
MAX_SUBJECT_CHARACTERS = 998  # RFC 5322 §2.1.1
MAX_SENDER_CHARACTERS = 998  # RFC 5322 §2.1.1
MAX_ADDRESS_CHARACTERS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
MAX_LOCAL_PART_CHARACTERS = 64  # RFC 5321 §4.5.3.1.1
MAX_KEY_CHARACTERS = 255
MAX_JSON_DEPTH = 32
MAX_JSON_VALUES = 100_000  # of a document, which takes up to 200 bytes of memory for each
MAX_MEMBERS = 100  # of an object with fields of our own
MAX_SMTP_HEADERS = 100
MAX_HEADER_CHARACTERS = 998  # RFC 5322 §2.1.1
MAX_TIME_CHARACTERS = 64
MAX_DAYS_AHEAD = 30  # of send_at and expires_at
MAX_BODY_BYTES = 6 * MEBIBYTE  # of an HTTP request: what Lambda and SCF take in one synchronous call
MAX_HEADERS = 100
MAX_FORM_BYTES = MEBIBYTE
MAX_FORM_FIELDS = 1000
MAX_BATCH = 100
MAX_MESSAGES = 10_000  # of a batch: what Lambda delivers of a queue or stream at most
MAX_EVENTS = 1000  # of one callback of SES
MAX_PER_RECIPIENT_HOUR = 10

SUPPORTED_FILE_TYPES = frozenset(
    {"bmp", "cgm", "css", "csv", "doc", "docm", "docx", "eps", "ez", "gif", "htm", "html", "ics"}
    | {"jpeg", "jpg", "m4a", "mobi", "mp3", "msg", "ods", "odt", "pdf", "png", "ppt", "pptx", "pub"}
    | {"rtf", "shtml", "tar", "tif", "tiff", "txt", "xls", "xlsx", "xml", "zip"}
)
FILENAME_FORBIDS = ' ?\\*|"<>:/'

UNSUBSCRIBE_LANGUAGES = {
    "none": "0",
    "english": "1",
    "simplified_chinese": "2",
    "traditional_chinese": "3",
    "spanish": "4",
    "french": "5",
    "german": "6",
    "japanese": "7",
    "korean": "8",
    "arabic": "9",
    "thai": "10",
    "indonesian": "11",
}
TRIGGER_TYPES = {"marketing": 0, "transactional": 1}
