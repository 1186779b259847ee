"""The public test kit: what a store must obey, and ready-made cases."""
