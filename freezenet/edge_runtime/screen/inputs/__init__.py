"""What IN names, and how its bytes are had: folders, lists, tables, archives, buckets."""
