"""What several commands use: how they are declared, what they write, how they wait."""
