"""What `freezenet screen` takes, costs and finds: rates, a simulation of larger archives, drift, and the answers of `predict`."""
