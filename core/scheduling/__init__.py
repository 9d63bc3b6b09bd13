"""Which run starts when and where: the queue, the policy, and the scheduler that carries it out."""
