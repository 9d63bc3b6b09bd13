"""A style that is computed once is sent as any other."""

import numpy as np
import pandas as pd
import pytest
from streamlit.elements.lib.pandas_styler_utils import marshall_styler
from streamlit.proto.ArrowData_pb2 import ArrowData

from pages.components.compare.details.computed_style import compute_once
from pages.components.compare.details.confusion_matrix import Unit, style


def sent(given: object) -> ArrowData:
    proto = ArrowData()
    marshall_styler(proto, given.set_uuid("here"), "other")  # type: ignore[attr-defined]
    return proto


def coloured() -> object:
    table = pd.DataFrame([[1200, 0], [3, 4]], index=["cat (1,200)", "dog (7)"], columns=["cat", "dog"])
    colours = pd.DataFrame([["background-color: red", ""], ["", "color: blue"]], table.index, table.columns)
    return table.style.apply(lambda _: colours, axis=None).format("{:,.0f} %".format)


def test_streamlit_sends_a_computed_style_as_the_style_itself() -> None:
    plain, computed = sent(coloured()), sent(compute_once(coloured()))
    assert "1,200 %" in str(plain.styler.display_values)
    assert computed == plain


def test_nothing_is_computed_when_it_is_sent_again() -> None:
    calls = []
    table = pd.DataFrame([[1, 2]])
    computed = compute_once(table.style.format(lambda value: str(calls.append(value) or value)))
    calls.clear()
    assert sent(computed) == sent(computed)
    assert calls == []


@pytest.mark.parametrize("unit", ["pictures", "percent"])
def test_a_confusion_matrix_keeps_its_numbers_and_shows_its_texts(unit: Unit) -> None:
    found = style(np.array([[3, 1], [0, 2000]]), ["cat", "dog"], unit)
    assert found.data.iloc[1, 1] == (2000 if unit == "pictures" else 100)
    assert found.data.astype(str).iloc[1, 1] == ("2,000" if unit == "pictures" else "100 %")
    assert sent(found).styler.styles.count("background-color") == 3
