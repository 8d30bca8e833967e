"""The configuration, module by module."""
