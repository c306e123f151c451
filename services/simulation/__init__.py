"""The whole system under one seed: its loop, processes, clock, bus and line to the store are simulated."""
