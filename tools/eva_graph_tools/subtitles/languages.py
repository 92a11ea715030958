"""Language tags as they stand in file names and tracks, as one short form."""

import re

_TAG = re.compile(r"([A-Za-z]{2,3})((?:[-_][A-Za-z0-9]{2,8}){0,2})", re.ASCII)
_UNKNOWN = {"und", "mis", "mul", "zxx"}
# ISO 639-2 codes, bibliographic ones included, of languages that also have two letters.
_TWO_LETTERS = {
    "alb": "sq", "ara": "ar", "arm": "hy", "baq": "eu", "bel": "be", "ben": "bn", "bos": "bs",
    "bul": "bg", "bur": "my", "cat": "ca", "ces": "cs", "chi": "zh", "cym": "cy", "cze": "cs",
    "dan": "da", "deu": "de", "dut": "nl", "ell": "el", "eng": "en", "epo": "eo", "est": "et",
    "eus": "eu", "fas": "fa", "fin": "fi", "fra": "fr", "fre": "fr", "geo": "ka", "ger": "de",
    "gle": "ga", "glg": "gl", "gre": "el", "guj": "gu", "heb": "he", "hin": "hi", "hrv": "hr",
    "hun": "hu", "hye": "hy", "ice": "is", "ind": "id", "isl": "is", "ita": "it", "jpn": "ja",
    "kan": "kn", "kat": "ka", "kaz": "kk", "khm": "km", "kor": "ko", "lao": "lo", "lat": "la",
    "lav": "lv", "lit": "lt", "mac": "mk", "mal": "ml", "mar": "mr", "may": "ms", "mkd": "mk",
    "mon": "mn", "msa": "ms", "mya": "my", "nep": "ne", "nld": "nl", "nob": "nb", "nor": "no",
    "pan": "pa", "per": "fa", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "rus": "ru",
    "slk": "sk", "slo": "sk", "slv": "sl", "spa": "es", "sqi": "sq", "srp": "sr", "swa": "sw",
    "swe": "sv", "tam": "ta", "tel": "te", "tgl": "tl", "tha": "th", "tur": "tr", "ukr": "uk",
    "urd": "ur", "uzb": "uz", "vie": "vi", "wel": "cy", "zho": "zh",
}  # fmt: skip


def language_tag(written: str | None) -> str | None:
    """A tag in short form ("eng" is "en", "en_us" is "en-US"); None where it is none or unknown."""
    match = _TAG.fullmatch(written or "")
    if match is None or match[1].lower() in _UNKNOWN:
        return None
    primary = match[1].lower()
    parts = [part for part in re.split("[-_]", match[2]) if part]
    regions = [part.upper() if len(part) == 2 else part.title() for part in parts]
    return "-".join([_TWO_LETTERS.get(primary, primary), *regions])


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two tags name the same language, regions aside."""
    tags = language_tag(one), language_tag(other)
    return None not in tags and len({(tag or "").partition("-")[0] for tag in tags}) == 1
