"""Tests named after the numbered faults; a package, since their files bear the names of the modules they break."""
