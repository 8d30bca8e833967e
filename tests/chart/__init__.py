"""The Helm chart, rendered and held against what it must be; a real API server has it in tests/cluster."""
