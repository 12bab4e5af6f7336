"""Crops of the worst errors as SVG: what comes from files is escaped."""

from markupsafe import Markup

from automl.apps.web.worst_view import svg_of
from automl.data.report.crops import Crop
from automl.tracking.report.errors import Shot


def test_texts_of_files_are_escaped() -> None:
    part = Crop(b"", left=10, top=20, width=30, height=40, image=(100, 100))
    box = (12.0, 22.0, 5.0, 6.0, "missed")
    svg = svg_of(Shot("data:image/jpeg;base64,", part, [box], '"><script>', Markup("text"), "<b>.jpg"))
    assert "<script>" not in svg
    assert "<b>" not in svg
    assert 'viewBox="10 20 30 40"' in svg
    assert '<rect class="missed" x="12.0" y="22.0" width="5.0" height="6.0"/>' in svg
