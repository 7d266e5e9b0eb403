"""Which view a text names: the words for lateral, oblique and frontal in ten languages.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish. Words are compared in capitals
and without accents.
"""

from __future__ import annotations

import re
import unicodedata
from enum import Enum


class View(Enum):
    """What a text says of the view."""

    FRONTAL = "frontal"
    OTHER = "lateral or oblique"


# A word is one of these from its first letter to its last; what may follow a stem is written out, because BILATERAL, LATERALITY
# and PROFILE (of a device) say nothing of the view.
_SIDE = r"(?:L|R|LT|RT|LEFT|RIGHT|LATERO|CHEST|THORAX|TORAX|CXR)?"
_LATERAL = re.compile(
    rf"{_SIDE}LAT|{_SIDE}LATERAL(?:|E|ES|I|IS|EN|ER|AUFNAHME|ANSICHT|BILD|A|NA|NE|NY|NYJ)|LAT[LRDGI]|LATERAAL|LATERAIS|XTLAT"
    r"|PROFILS?|PROFILO|PERFIL|PERFILES|PERFIS"
    r"|(?:THORAX)?SEITL(?:ICH(?:E|ER|ES|EN)?)?|SEIT(?:EN)?(?:AUFNAHMEN?|ANSICHT|BILD)"
    r"|ZIJDELINGSE?|DWARSE?|BOCZN[AEY]|БОКОВ(?:АЯ|ОИ|ОЕ|ЫЕ|УЮ)|БОК|ЛАТЕРАЛЬН(?:АЯ|ЫИ|ОИ|ОЕ|ЫЕ|УЮ)|YAN|YANAL|SWIMMERS?"
)
_OBLIQUE = re.compile(
    r"[LR]?OBL|OBL[LR]|(?:[LR]|LT|RT)?OBLIQ(?:|UE|UES|UA|UAS|UO|UI|UOS)|OBLI[CK](?:|A|AS|O|OS|UA|UAS|UO|UOS)|[LR][AP]O|[LR]LO"
    r"|SCHRAE?G(?:E|ER|ES|EN|AUFNAHMEN?|BILD)?|FECHTERSTELLUNG|BOXERSTELLUNG|SCHUINE?|DRIEKWART"
    r"|SKOSN[AEY]|КОС(?:АЯ|ОИ|ОЕ|ЫЕ|УЮ)|OA[DGI]|OPI"
)
_OBLIQUE_PHRASE = re.compile(
    r"\bTROIS[ -]QUARTS?\b|\bTRES[ -][CQ]UARTOS\b|\bTRE[ -]QUARTI\b|(?<![\d/])3 ?/ ?4(?![\d/])"
)
# Short for a view where nothing else is meant, as in View Position; of a description they may be something else.
_SHORT_LATERAL = re.compile(r"RL|LTL|PERF")
_SHORT_OBLIQUE = re.compile(r"O[AP][DGISE]")
#: Short in both: the Italian latero-laterale.
_BOTH_WAYS = re.compile(r"LL")
_FRONTAL = re.compile(
    r"PA|AP|DV|VD|FRONTAL(?:|E|ES|IS|EN|ER|NA|NY)|FRONTAAL|FRONTAIS|FACE|FRENTE|(?:POSTERO|DORSO|VENTRO|ANTERO)(?:ANTERIOR|POSTERIOR|VENTRAL|"
    r"DORSAL)\w{0,2}|PRZEDNIO|TYLNO|VOORACHTERWAARTSE?|ACHTERVOORWAARTSE?|ФРОНТАЛЬН\w+|ПРЯМ(?:АЯ|ОИ|УЮ)|(?:POSTERO|ANTERO)"
)
_DECUBITUS = re.compile(
    r"DEC|DECUB|DECUBITUS|DECUBITO|DEKUBITUS|[LR]LD|DL[DEIG]|\w*SEITENLAGE\w*|ZIJLIGGING|BOKU|ЛАТЕРОПОЗИЦИ[ЯИЮ]|БОКУ"
)
# A patient who lies on the back or the belly before a horizontal beam: with it, "lateral" is a lateral film.
_LYING_FLAT = re.compile(r"DORSAL\w*|VENTRAL\w*|SUPIN\w*|PRON[EO]")
# Directly before the word, or before one between: "sin" behind it is Italian for left.
_NEGATION = re.compile(r"\b(?:NO|NOT|WITHOUT|OHNE|KEINE?|SANS|SENZA|SIN|SEM|ZONDER|GEEN|BEZ|БЕЗ) (?:[^\W\d_]+ )?$")
# "Two views": one of them is frontal.
_SEVERAL = re.compile(
    r"(?:\b|(?<=[A-Z_]))(?:[2-9]|TWO|THREE|ZWEI|DREI|BEIDE[NR]?|DEUX|TROIS|DOS|TRES|DUE|TRE|DUAS|TWEE|DRIE|DWIE|DWOCH|ДВЕ|ДВУХ|IKI)[ -]*"
    r"(?:V|VW|VWS|VIEWS?|E|EB|EBENEN?|PLANS|VLAKKEN|INCIDENC\w+|PROIEZIONI|PROYECCI\w+|PROJ|PROJE\w+|RICHTING\w+|ПРОЕКЦ\w+|YON\w*)\b"
)
_AND = re.compile(r"[+&/,;|]|\b(?:AND|UND|U|ET|ED|E|Y|EN|I|И|VE|PLUS|WITH|MIT)\b")
_WORD = re.compile(r"[^\W\d_]+")
# "p.a.", "L-L", "p - a": initials are put together.
_INITIALS = re.compile(r"\b([A-Z])\s?[.\-]{1,2}\s?([A-Z])\b\.?")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
# NFKD takes no letter for another.
_LETTERS = str.maketrans({"Ł": "L", "Ø": "O", "Æ": "AE", "Œ": "OE", "ı": "I"})
#: Of a longer text the beginning is looked at.
_MOST = 256


def view_of(text: str, is_code: bool) -> tuple[View | None, str]:
    """Return what a text says of the view, None for nothing or several things, and the word that says so.

    Args:
        text: As a tag gives it.
        is_code: It stands where nothing but a view is written, so short forms such as RL count.
    """
    plain = _plain(text)
    if _SEVERAL.search(plain):
        return View.FRONTAL, ""
    phrase = _OBLIQUE_PHRASE.search(plain)
    if phrase:
        plain = _OBLIQUE_PHRASE.sub(" OBLIQUE ", plain)
    found = [_part(part, is_code) for part in _AND.split(plain)]
    if any(view is View.FRONTAL for view, _ in found):
        return View.FRONTAL, ""
    other = next((word for view, word in found if view is View.OTHER), None)
    return (None, "") if other is None else (View.OTHER, phrase[0] if phrase and other == "OBLIQUE" else other)


def _part(text: str, is_code: bool) -> tuple[View | None, str]:
    """Return what a text without "and" says: of "PA LAT", that a frontal film is among them; of "PA oblique", oblique."""
    oblique = _first(text, _OBLIQUE, *([_SHORT_OBLIQUE] if is_code else []))
    if oblique:
        return View.OTHER, oblique
    lateral = _first(text, _LATERAL, _BOTH_WAYS, *([_SHORT_LATERAL] if is_code else []))
    if _first(text, _DECUBITUS) and not _first(text, _LYING_FLAT):
        # The patient lies on a side; the beam goes from front to back.
        return View.FRONTAL, ""
    if _first(text, _FRONTAL):
        return View.FRONTAL, ""
    return (View.OTHER, lateral) if lateral else (None, "")


def _first(text: str, *kinds: re.Pattern[str]) -> str:
    """Return the first word of these kinds that is not negated."""
    found = (one for one in _WORD.finditer(text) if any(kind.fullmatch(one[0]) for kind in kinds))
    return next((one[0] for one in found if not _NEGATION.search(text[: one.start()])), "")


def _plain(text: str) -> str:
    """Return a text in capitals without accents, initials put together."""
    parted = _CAMEL.sub(" ", text[:_MOST].translate(_LETTERS))
    letters = unicodedata.normalize("NFKD", parted.upper().translate(_LETTERS))
    return _INITIALS.sub(r"\1\2", "".join(sign for sign in letters if not unicodedata.combining(sign)))
