"""Who may do what, over every address there is."""
