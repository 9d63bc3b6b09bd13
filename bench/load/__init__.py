"""A room full of people, without the people: sessions that speak Streamlit's own protocol, and what they measure.

python -m bench.load --help
"""
