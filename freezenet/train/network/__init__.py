"""The network: backbones, weights from files, devices."""
