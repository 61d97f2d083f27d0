"""The loops of the attention for one kind of device each."""
