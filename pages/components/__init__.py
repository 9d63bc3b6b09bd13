"""Pieces that the pages share: frame, charts, forms, the live run panel, gallery."""
