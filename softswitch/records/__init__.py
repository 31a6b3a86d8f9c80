"""What is known about every conversation: the journal, and the folds that read it."""
