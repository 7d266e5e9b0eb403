"""The hospital network's side: receive X-rays by DICOM, send back what the model says of them."""
