"""Networks: one family, one file; nothing but ``nn.Module``s, which know nothing of files or of the shell."""
