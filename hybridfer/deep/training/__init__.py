"""Networks that tell expressions apart, trained: the data in memory once, a loop that can be killed, a model folder."""
