"""The engine: datasets in, runs trained, evaluated and used. It knows no screen and imports no streamlit."""
