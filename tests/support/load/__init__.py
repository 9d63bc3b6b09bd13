"""Browser sessions without a browser: Streamlit's websocket protocol, a server to talk to, and what was measured."""
