"""The engine: data in, runs trained, judged and used. Knows no screen and imports no streamlit."""
