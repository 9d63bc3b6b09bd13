"""A network as one HTML file: its layers for a small engine in JavaScript, weights in 16 bits, and the page around it.

`layers` turns a network into a list of layers, `packed_weights` packs their numbers, `html_file` puts the page together
and reads it back, and `interpreter` answers with what was read, as `web/engine.js` does in a browser.
"""
