"""The HTTP side: every route as an event stream, and what stands around it."""
