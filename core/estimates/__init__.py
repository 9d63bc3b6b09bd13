"""What a training costs: seconds, memory and size, before it starts. No torch but where it is measured."""
