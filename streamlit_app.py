"""The router of TuneMyPets; the pages are in pages/. `streamlit run streamlit_app.py` starts the app.

This file runs twice: once as a module, which gives the server its `app`, and for every visit, to draw a page.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.components.shared import frame
from pages.server import asgi_app


def route() -> None:
    """Draw the page that the address names."""
    st.set_page_config(layout="wide")  # before anything else: a page that is widened later would move
    frame.mark_router()
    pages = [
        st.Page(path, title=title, icon=icon, default=path == frame.HOME)
        for path, (title, icon) in frame.NAVIGATION.items()
    ]
    st.navigation(pages, position="hidden").run()


if get_script_run_ctx(suppress_warning=True) is not None:
    route()
else:
    asgi_app.prepare()
    app = st.App(__file__, routes=asgi_app.ROUTES, middleware=asgi_app.MIDDLEWARE, lifespan=asgi_app.lifespan)
    if __name__ == "__main__":
        asgi_app.serve(app)
