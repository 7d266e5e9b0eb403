"""Which view a text names, in ten languages."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freezenet.edge_runtime.images.dicom.view_words import View, view_of

OTHER = {
    "English": "LATERAL|LAT|LL|L LAT|R-LAT|LT LAT|LLAT|RLAT|Left Lateral|LATERAL_LEFT|LEFTLATERAL|CHESTLAT|Chest Lat.|ChestLateral|"
    "XTABLE LATERAL|SWIMMERS|LAT1|LAT 2|No. 3 LAT|lateral erect|OBLIQUE|OBL|LAO|RAO|LPO|RPO|L OBL|PA OBLIQUE|AP OBLIQUE|"
    "LEFT ANTERIOR OBLIQUE|lateral dorsal decubitus|dorsal decubitus, lateral",
    "German": "SEITLICH|seitl.|Thorax seitlich|Thorax lat.|Seitenaufnahme|links seitlich|Thorax im Liegen seitlich|"
    "Thorax seitl. rechts anliegend|schräg|SCHRAEG|Schrägaufnahme|Fechterstellung|latero-lateral",
    "French": "PROFIL|Latéral|de profil|Thorax profil gauche|latérale|oblique antérieur gauche|OAG|OAD|trois-quarts|3/4",
    "Spanish": "PERFIL|Tórax lateral|lateral izquierda|LAT IZQ|oblicua|OBLICUA|OAI|Tórax perfil|oblicuo anterior",
    "Italian": "LATERALE|latero-laterale|L-L|L.L.|Torace LL|proiezione laterale|laterale sin.|obliqua|obliquo|profilo",
    "Portuguese": "Perfil esquerdo|Tórax em perfil|laterais|oblíqua|oblíquo",
    "Dutch": "lateraal|zijdelings|Thorax dwarse opname|schuin",
    "Polish": "boczne|boczna|RTG klatki boczne|skośne|skośna",
    "Russian": "боковая|Правая боковая|боковой|левая боковая проекция|косая",
    "Turkish": "yan|oblik|Akciğer yan grafi",
}
FRONTAL = (
    "PA|AP|p.a.|a.p.|P-A|frontal|de face|прямая|tylno-przednie|posteroanterior|PA + LAT|PA LAT|PA/LAT|PA & LATERAL|"
    "Chest PA and Lateral|p.a. und seitlich|p.-a./seitl.|face et profil|PA y lateral|PA e perfil|PA e laterale|AP en lateraal|"
    "ПРЯМАЯ и боковая|PA ve yan|tylno-przednie i boczne|Thorax 2 Ebenen|Thorax in zwei Ebenen seitlich|CHEST 2 VIEWS LATERAL|"
    "CHEST 2V LAT|Torace 2 proiezioni LL|Thorax 2E lat|Thorax 2 plans profil|Thorax in 2 vlakken lateraal|LATERAL DECUBITUS|LEFT LATERAL DECUBITUS|LLD|RLD|PA LLD|AP RLD|LAT DECUB|L LAT DEC|"
    "décubitus latéral gauche|decúbito lateral derecho|decubito laterale|Thorax Linksseitenlage lateral|zijligging|boczne na boku|"
    "на боку|латеропозиция|AP PORTABLE|AP LORDOTIC"
)
#: These say nothing of the view.
SILENT = (
    "|ERECT|SUPINE|LORDOTIC|bilateral|BILATERAL|unilateral|collateral|ipsilateral|laterality L|Lateralität|Thorax Bettaufnahme|CHEST|"
    "OPD CHEST|decubitus dorsal|Standard profile|LATIN|Platt|BALATON|R|L|PALAT|no lateral|without left lateral|sans profil|"
    "ohne seitliche|sin lateral|3/4/2021|13/4"
)


@pytest.mark.parametrize("is_code", [True, False])
@pytest.mark.parametrize(
    ("language", "said"), [(language, said) for language, texts in OTHER.items() for said in texts.split("|")]
)
def test_lateral_and_oblique_are_known_in_each_language(language, said, is_code):
    for one in (said, said.lower(), said.upper(), f" {said} "):
        view, word = view_of(one, is_code)
        assert view is View.OTHER, one
        assert word


@pytest.mark.parametrize("said", ["RL", "PERF", "OAE", "OPD", "OAS"])
def test_short_forms_count_only_where_nothing_else_is_meant(said):
    assert view_of(said, True)[0] is View.OTHER
    assert view_of(said, False)[0] is None


@pytest.mark.parametrize("said", FRONTAL.split("|"))
def test_a_frontal_view_among_others_is_one(said):
    assert view_of(said, True)[0] is View.FRONTAL
    assert view_of(said, False)[0] is View.FRONTAL


@pytest.mark.parametrize("said", SILENT.split("|"))
def test_other_words_say_nothing(said):
    assert view_of(said, False) == (None, "")


@given(st.text(alphabet=string.printable + "äöüÉßЖİ\x00\u0301", max_size=400), st.booleans())
def test_any_text_can_be_looked_at(said, is_code):
    view, word = view_of(said, is_code)
    assert bool(word) == (view is View.OTHER)
