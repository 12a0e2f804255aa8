"""`make bench`: the product beside its peers, on this machine, in interleaved runs."""
