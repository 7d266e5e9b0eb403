"""The apps' code in the engines that phones have, held against `freezenet predict`."""
