"""A film in a photograph: where it lies (`film`), how it looks from the front (`straighten`), and what an answer says of it (`reading`)."""
