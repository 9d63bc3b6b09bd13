"""What a room plays together: bets on a race, a hunt for wrong labels, a promise tested."""
