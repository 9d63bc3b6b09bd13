"""From files to labels and splits: what other people's folders, file names and tables of labels say."""
