"""A race, a learning curve or a comparison as one file that opens offline."""
