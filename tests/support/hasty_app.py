"""The app with a quick training of 3 seconds in place of 30, for tests in which its length plays no part.

python -m tests.support.hasty_app run streamlit_app.py          instead of `streamlit run`; `Server` does
"""

from typing import Any, cast

from streamlit.web.cli import main

from pages.components.train.form import length_choice

if __name__ == "__main__":
    quick = cast(dict[str, Any], length_choice.LENGTHS["quick"])
    quick["max_seconds"] = 3.0
    main(prog_name="streamlit")
