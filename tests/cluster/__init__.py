"""What the chart makes of itself in a real API server, whose one node is played by kwok.

Run by `make test-cluster` alone: building the control plane takes minutes.
"""
