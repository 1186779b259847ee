"""Read and steer runs from far away: a pure reconnect machine and a thin HTTP shell."""
