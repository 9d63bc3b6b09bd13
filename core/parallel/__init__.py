"""One training over several processes: a leader, which is an ordinary training, and followers that compute parts of
its steps."""
