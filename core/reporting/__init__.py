"""One file to take home: a comparison, a race or a learning curve as HTML, JSON or CSV."""
