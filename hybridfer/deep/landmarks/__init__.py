"""From a face's box to its points: what a network is shown, how its maps are read, and what it is trained on."""
