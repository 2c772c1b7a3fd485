"""How the networks of a face detector are trained: losses, samples, and the training itself."""
