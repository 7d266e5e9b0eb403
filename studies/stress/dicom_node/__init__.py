"""The DICOM node between many senders and archives of every temper, killed at random moments."""
