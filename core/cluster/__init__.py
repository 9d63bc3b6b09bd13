"""Trainings on the machines of a Ray cluster: what watches the nodes, and what carries a run there and back.

A run's worker here (`relay`, in the process of `cluster_agent`) holds its lock as always, and writes into its folder
what a worker on a node (`node_worker`) does in a copy of it. Nodes hold nothing but copies.
"""
