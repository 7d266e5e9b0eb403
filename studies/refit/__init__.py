"""What a refit of the last layer gives in another place, how many labels it takes, and what it costs in the old one."""
