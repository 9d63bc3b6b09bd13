"""The parts of the pages: one package for each page, and `shared` for what several use."""
