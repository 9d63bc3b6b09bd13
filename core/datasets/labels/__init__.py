"""What names and tables say of pictures: words, class names, columns of labels, Parquet."""
